from __future__ import annotations

import eventlet

from rt_service.gateways.engineio.answers import pieces


def test_between_the_pieces_of_a_large_answer_the_others_get_their_turn() -> None:
    turns = 0

    def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            eventlet.sleep(0)

    thread = eventlet.spawn(other)
    answer = [b"small", b"x" * 1_000_000, b"", b"y" * 200_000]
    assert b"".join(pieces(answer)) == b"".join(answer)
    assert turns >= 15
    thread.kill()


def test_an_answer_is_closed_however_it_ends() -> None:
    class Answer(list[bytes]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    for take in (list, next):
        answer = Answer([b"one", b"two"])
        generator = pieces(answer)
        take(generator)  # type: ignore[operator]
        generator.close()  # type: ignore[attr-defined]
        assert answer.closed == 1
