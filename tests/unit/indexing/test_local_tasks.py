from indexing.local_tasks import LocalTasks
from indexing.tasks import Advanced, Task


def half(number: int, told: list[int], advanced: Advanced) -> int:
    advanced(number // 2)
    told.append(number)
    return number


def task(number: int, told: list[int]) -> Task[int]:
    return Task(f"task {number}", half, (number, told), amount=number, cores=1, memory_bytes=1)


def test_tasks_are_done_one_after_another_and_each_advances_by_its_amount() -> None:
    advanced: list[int] = []
    done: list[int] = []
    results = LocalTasks().run((task(number, done) for number in (4, 7)), advanced.append)
    assert next(results) == 4
    assert (done, sum(advanced)) == ([4], 4)
    assert list(results) == [7]
    assert sum(advanced) == 4 + 7


def too_much(advanced: Advanced) -> None:
    advanced(8)
    advanced(8)


def test_of_a_task_that_tells_too_much_no_more_is_told_than_there_is() -> None:
    advanced: list[int] = []
    list(LocalTasks().run([Task("a", too_much, (), amount=10, cores=1, memory_bytes=1)], advanced.append))
    assert advanced == [8, 2]


def test_it_may_use_all_cores_and_one_machine() -> None:
    assert (LocalTasks().one_core, LocalTasks().at_once) == (False, 1)
    assert LocalTasks().memory_bytes > 0
