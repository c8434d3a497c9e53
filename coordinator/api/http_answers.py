"""Answers over HTTP: values of the pipeline as JSON."""

from fastapi.responses import Response

from coordinator.api.json_codec import dumps
from coordinator.api.large_answers import num_chars, off_loop_if_large
from coordinator.api.message_size import check_content_size


async def json_response(value: object) -> Response:
    """Returns the response that holds a value.

    Raises:
        RequestTooLargeError: it does not fit.
    """
    content = await off_loop_if_large(_encoded, value, num_chars(value))
    check_content_size(content)
    return Response(content, media_type="application/json")


def _encoded(value: object) -> bytes:
    return dumps(value, indent=None).encode()
