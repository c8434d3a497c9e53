"""What can be wrong with an index directory or its tokenizer. The class says who must act."""


class IndexFormatError(Exception):
    """An index cannot be used as it is."""


class IndexNotFoundError(IndexFormatError):
    """There is no index where one was expected; the caller named the wrong place or the build never finished."""


class ManifestError(IndexFormatError):
    """A manifest is unreadable, of another format version, or disagrees with the files beside it."""


class TokenizerError(IndexFormatError):
    """A tokenizer cannot be loaded or used, or is another one than the index was built with."""


class PathNameError(IndexFormatError):
    """A path holds one of the words by which infini-gram classifies files, outside the file name itself."""


class TakedownError(IndexFormatError):
    """A takedown, or a list of them, is not one; nothing of the list is obeyed, so that none is overlooked."""
