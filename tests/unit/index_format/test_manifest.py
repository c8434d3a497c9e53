import json
from dataclasses import replace

import pytest

from index_format.errors import IndexNotFoundError, ManifestError
from index_format.layout import BUILD_FILE, FAN_OUT, INDEX_MANIFEST, SHARD_MANIFEST, SIDECARS, TABLE, shard_folder
from index_format.manifest import FileEntry, IndexManifest, ShardManifest, index_id_of
from tests.tiny_index import write_index


@pytest.fixture
def index(tmp_path):
    return write_index(tmp_path / "index", [["one", "two"], ["three"]])


def change(path, **fields):
    raw = json.loads(path.read_text())
    raw.update(fields)
    path.write_text(json.dumps({name: value for name, value in raw.items() if value is not None}))


def test_manifests_are_read_back_as_they_were_written(index):
    manifest = IndexManifest.load(index)
    shards = manifest.load_shards(index)
    assert [shard.shard for shard in shards] == [0, 1]
    assert manifest.num_documents == 3
    assert index_id_of(shards) == manifest.index_id
    before = (index / INDEX_MANIFEST).read_bytes()
    manifest.save(index)
    assert (index / INDEX_MANIFEST).read_bytes() == before


def test_fields_of_a_changed_index_are_written_only_once_they_say_something(index):
    before = (index / INDEX_MANIFEST).read_bytes()
    manifest = IndexManifest.load(index)
    assert not {"generation", "removed_documents", "removed_sha256", "dealing"} & json.loads(before).keys()
    changed = replace(manifest, generation=3, removed_documents=1, removed_sha256="0" * 64, dealing=(1, 1))
    changed.save(index)
    assert IndexManifest.load(index) == changed
    replace(changed, generation=0, removed_documents=0, removed_sha256="", dealing=()).save(index)
    assert (index / INDEX_MANIFEST).read_bytes() == before


def test_a_directory_without_manifest_is_no_index(tmp_path):
    with pytest.raises(IndexNotFoundError, match="headwater index build"):
        IndexManifest.load(tmp_path)


def test_a_build_that_has_not_ended_is_told_from_no_index(tmp_path):
    (tmp_path / BUILD_FILE).touch()
    with pytest.raises(IndexNotFoundError, match=r"an unfinished build; run the same command again to continue it$"):
        IndexManifest.load(tmp_path)
    (tmp_path / shard_folder(0)).mkdir()
    with pytest.raises(IndexNotFoundError, match=r"shard\.json: not found"):
        ShardManifest.load(tmp_path / shard_folder(0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format_version": 99}, "format version 99, this build reads 1"),
        ({"token_width": 3}, r"token width 3, expected one of \(1, 2, 4\)"),
        ({"num_tokens": "many"}, "'num_tokens' is 'many'"),
        ({"num_tokens": -1}, "'num_tokens' is -1"),
        ({"num_tokens": True}, "'num_tokens' is True"),
        ({"tokenizer": 5}, "'tokenizer' is 5, expected a string"),
        ({"tokenizer": "../tokenizer.json"}, "a file '../tokenizer.json', expected a name without folders"),
        ({"tokenizer": ""}, "a file '', expected a name"),
        ({"removed_sha256": "/../../x"}, "'removed_sha256' is '/../../x', expected 64 hexadecimal digits"),
        ({"index_id": None}, "'index_id' is missing"),
        ({"colour": "blue"}, "unknown field 'colour'"),
        ({"generation": -1}, "'generation' is -1"),
        ({"dealing": 2}, "'dealing' is 2, expected a list of whole numbers >= 1"),
        ({"dealing": [2, 0]}, r"'dealing' is \[2, 0\], expected a list"),
        ({"dealing": [1, 2]}, "'dealing' speaks of 3 shards, the index has 2"),
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused_by_name(index, fields, message):
    change(index / INDEX_MANIFEST, **fields)
    with pytest.raises(ManifestError, match=message):
        IndexManifest.load(index)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_a_manifest_that_is_no_json_object_is_refused(index, content):
    (index / INDEX_MANIFEST).write_bytes(content)
    with pytest.raises(ManifestError):
        IndexManifest.load(index)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shard": 1}, "manifest is of shard 1, expected 0"),
        ({"token_width": 2}, "shard has token_width 2, the index has 1"),
        ({"tokenizer_sha256": "0"}, "shard has tokenizer_sha256 0"),
        ({"num_tokens": 1}, "shards hold .* the index says"),
        ({"files": None}, "'files' is missing"),
        ({"files": {"../../x": {"size_bytes": 1, "sha256": ""}}}, "speaks of a file '../../x'"),
        ({"files": {"..": {"size_bytes": 1, "sha256": ""}}}, "speaks of a file '..'"),
    ],
)
def test_a_shard_that_disagrees_with_its_index_is_refused(index, fields, message):
    change(index / shard_folder(0) / SHARD_MANIFEST, **fields)
    with pytest.raises(ManifestError, match=message):
        IndexManifest.load(index).load_shards(index)


def test_a_missing_shard_is_named(index):
    (index / shard_folder(1) / SHARD_MANIFEST).unlink()
    with pytest.raises(ManifestError, match="shard 1 of 2 is missing"):
        IndexManifest.load(index).load_shards(index)


def test_a_file_of_another_size_is_named_with_both_sizes(index):
    folder = index / shard_folder(0)
    size = (folder / TABLE).stat().st_size
    (folder / TABLE).write_bytes(b"x" * (size - 1))
    with pytest.raises(ManifestError, match=f"{size - 1} bytes, {size} were published"):
        ShardManifest.load(folder).check_files(folder)
    (folder / TABLE).unlink()
    with pytest.raises(ManifestError, match="file is missing"):
        ShardManifest.load(folder).check_files(folder)


def add_sidecars(folder, sizes=(8, 4)):
    """Writes files in place of sidecars and lists them."""
    for name, size in zip(SIDECARS, sizes, strict=True):
        (folder / name).write_bytes(b"x" * size)
    entries = {name: FileEntry(size, "0" * 64) for name, size in zip(SIDECARS, sizes, strict=True)}
    ShardManifest.load(folder).with_sidecars(entries).save(folder)


def test_sidecars_leave_the_identity_of_an_index_as_it_is(index):
    before = [ShardManifest.load(index / shard_folder(number)) for number in range(2)]
    add_sidecars(index / shard_folder(0))
    after = IndexManifest.load(index).load_shards(index)
    assert [shard.is_accelerated for shard in after] == [True, False]
    assert index_id_of(after) == index_id_of(before) == IndexManifest.load(index).index_id
    assert [shard.without_sidecars() for shard in after] == before


def test_sidecars_are_listed_in_place_of_older_ones(index):
    folder = index / shard_folder(0)
    add_sidecars(folder)
    add_sidecars(folder, (16, 2))
    assert [ShardManifest.load(folder).files[name].size_bytes for name in SIDECARS] == [16, 2]


def test_a_listed_sidecar_that_is_not_there_is_refused_with_the_remedy(index):
    folder = index / shard_folder(1)
    add_sidecars(folder)
    (folder / FAN_OUT).write_bytes(b"x")
    manifest = IndexManifest.load(index)
    remedy = "build it again with 'headwater index accelerate DIR --shard 1 --force'"
    with pytest.raises(ManifestError, match=rf"fanout\.0: file has 1 bytes, 8 were published; {remedy}"):
        manifest.load_shards(index)
    (folder / FAN_OUT).unlink()
    with pytest.raises(ManifestError, match=rf"fanout\.0: file is missing, 8 bytes were published; {remedy}"):
        manifest.load_shards(index)
    assert len(manifest.load_shards(index, check_sidecars=False)) == 2


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 256, "..", "a/b", ""])
def test_a_file_name_that_can_be_none_is_refused(name: str) -> None:
    shard = {
        "format_version": 1,
        "shard": 0,
        "token_width": 2,
        "num_tokens": 1,
        "num_documents": 1,
        "tokenizer_sha256": "",
        "files": {name: {"size_bytes": 1, "sha256": ""}},
    }
    with pytest.raises(ManifestError, match="speaks of a file"):
        ShardManifest.parse(json.dumps(shard).encode(), "shard.json")


@pytest.mark.parametrize("kind", [ShardManifest, IndexManifest])
def test_a_manifest_nested_too_deeply_is_refused(kind: type[ShardManifest | IndexManifest]) -> None:
    with pytest.raises(ManifestError, match="not valid JSON"):
        kind.parse(b'{"files": ' + b"[" * 100_000, "index.json")
