"""The prompt and the answer that ``headwater demo`` traces.

Written by hand in the manner of a language model. It shares sentences with the documentation of the ``with``
statement, of exceptions and of ``contextlib`` as every Python since 3.11 carries it.
"""

PROMPT = "What does the with statement do in Python, and what happens when an exception is raised inside its block?"

ANSWER = """\
In Python, the with statement makes sure that setup and cleanup belong together. The expression after the \
keyword gives a context manager, which is an object that defines the runtime context to be established \
when executing a block. The context manager handles the entry into, and the exit from, the desired runtime \
context for the execution of the block of code. You meet this every day: typical uses of context managers \
include saving and restoring various kinds of global state, locking and unlocking resources, closing \
opened files, etc.

It earns its keep when something fails. Exceptions are a means of breaking out of the normal flow of \
control of a code block in order to handle errors or other exceptional conditions. When one escapes from \
the body, its type, value and traceback go to the exit method. If that method returns a true value, the \
exception is suppressed, and execution continues with the statement following the block; otherwise the \
exception travels on once cleanup is done. If the context was exited without an exception, all three \
arguments will be None.

Keep its limits in mind, too: an exception handler can find out what happened and continue execution at an \
outer level, but it cannot repair the cause of the error and retry the failing operation. For that, you \
have to run the whole piece of code again yourself.

For simple cases, contextlib spares you a class of your own. Its suppress is a context manager to suppress \
specified exceptions, and ExitStack is a context manager for dynamic management of a stack of exit \
callbacks, which lets you open any number of files and be sure that every one of them is closed at the \
end."""
