"""Texts of the very corpora that are served, asked of the server: a load test needs no file of the operator's."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import grpc
import grpc.aio
from google.protobuf.json_format import MessageToDict

from loadtest.access import Access
from loadtest.errors import LoadTestError
from loadtest.messages import SERVICE
from protos.coordinator.v1 import coordinator_pb2 as pb

_TIMEOUT_S = 30.0
# Tokens of a document that are asked for.
_TOKENS = 1_000


class _NotFound(LoadTestError):
    """There is no such document, or no more."""


class ServedTexts:
    """Asks a server for its description and for documents, one call after the other."""

    def __init__(self, access: Access):
        """Takes the way to the server."""
        self._access = access

    async def description(self) -> Mapping[str, Any]:
        """Returns what is served, with the fields of the proto's Description.

        Raises:
            LoadTestError: the server does not say.
        """
        if self._access.protocol == "http":
            return await self._get("/v1/describe", {})
        answer: pb.DescribeResponse = await self._call("Describe", pb.DescribeRequest(), pb.DescribeResponse.FromString)
        described: dict[str, Any] = MessageToDict(
            answer.description, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        return described

    async def documents(self, number: int, seed: int) -> list[str]:
        """Returns the beginnings of documents drawn at random, each shard's in proportion to how many it has.

        Raises:
            LoadTestError: the server gives none: its key must have the role ``read-document``.
        """
        described = await self.description()
        # Over gRPC 64-bit numbers are texts in JSON.
        shards = [
            (str(shard["shard"]), int(shard["num_documents"]))
            for corpus in described["corpora"]
            for shard in corpus["shards"]
            if int(shard["num_documents"])
        ]
        if not shards:
            raise LoadTestError(f"{self._access.target}: serves no documents now, expected some to cut answers from")
        chooser = random.Random(seed)
        most = min(_TOKENS, int(described["max_document_tokens"]))
        texts: list[str] = []
        for name, count in chooser.choices(shards, weights=[count for _, count in shards], k=number):
            text = await self._document(f"{name}:{chooser.randrange(count)}", most)
            texts += [text] if text is not None else []
        return texts

    async def _document(self, document: str, max_tokens: int) -> str | None:
        """Returns the beginning of a document; None of one that was taken down."""
        try:
            if self._access.protocol == "http":
                found = await self._get(f"/v1/documents/{document}", {"max_tokens": str(max_tokens)})
                return str(found["text"])
            request = pb.GetDocumentRequest(id=document, max_tokens=max_tokens)
            answer: pb.GetDocumentResponse = await self._call("GetDocument", request, pb.GetDocumentResponse.FromString)
            return answer.text
        except _NotFound:
            return None

    async def _call(self, rpc: str, request: Any, read: Callable[[bytes], Any]) -> Any:
        try:
            async with self._access.open_channel([("grpc.max_receive_message_length", 64 << 20)]) as channel:
                call = channel.unary_unary(f"/{SERVICE.full_name}/{rpc}", type(request).SerializeToString, read)
                return await call(request, timeout=_TIMEOUT_S, metadata=self._access.metadata())
        except grpc.aio.AioRpcError as error:
            kind = _NotFound if error.code() is grpc.StatusCode.NOT_FOUND else LoadTestError
            raise kind(f"{self._access.target}: {rpc} failed with {error.code().name}: {error.details()}") from error

    async def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        url = self._access.base_url() + path
        tls: dict[str, Any] = {"ssl": self._access.ssl_context()} if self._access.tls else {}
        try:
            async with (
                aiohttp.ClientSession(
                    headers=dict(self._access.metadata()), timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)
                ) as session,
                session.get(url, params=query, server_hostname=self._access.server_name, **tls) as response,
            ):
                if response.status != 200:
                    kind = _NotFound if response.status == 404 else LoadTestError
                    raise kind(f"{url}: status {response.status}: {(await response.text())[:300]}")
                found: dict[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LoadTestError(f"{url}: cannot be reached ({error})") from error
