"""A thread that delivers the records of a run while it trains, and tries again until they have arrived."""

import threading
import time
from collections.abc import Sequence

from ganfreeze.errors import BadInput, one_line
from ganfreeze.record.journal import Record
from ganfreeze.record.mlflow_delivery import Delivery

_GATHER = 5.0  # seconds: records that come within them go together, because one call takes longer than many values
_RETRY = 1.0, 30.0  # seconds before the first new attempt, which double up to the last
_BEAT = 30.0  # seconds between two signs of life
_BATCH = 2000  # records
_HUNG = 60.0  # seconds for a call that neither fails nor returns


class Courier:
    """Delivers records in the order in which they come. It never raises, and training never waits for it.

    `problem` says why the store does not take records now, "" if it does; `refused` counts those that it never will.
    """

    def __init__(self, delivery: Delivery, undelivered: Sequence[Record]) -> None:
        self._delivery, self._records = delivery, list(undelivered)
        self._changed = threading.Condition()
        self._closing, self._deadline = False, 0.0
        self.problem, self.refused = "", 0
        self._tried, self._mistake = threading.Event(), None
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)

    def start(self, patience: float) -> None:
        """Begin to deliver. Wait until the store is open, for at most `patience` seconds.

        Raises:
            BadInput: there can be no such store.
        """
        self._thread.start()
        self._tried.wait(patience)
        if self._mistake:
            raise self._mistake

    def put(self, record: Record) -> None:
        """Take a record."""
        with self._changed:
            self._records.append(record)

    def close(self, patience: float) -> int:
        """Deliver what is left. Return how many records are left.

        It ends after `patience` seconds in which the store fails, or after as many and a minute without any progress.
        """
        with self._changed:
            self._closing, self._deadline = True, time.monotonic() + patience
            self._changed.notify()
        while self._thread.is_alive() and time.monotonic() < self._deadline + (0 if self.problem else _HUNG):
            self._thread.join(0.05)
        return len(self._records)

    def _work(self) -> None:
        try:
            self._delivery.connect()
        except BadInput as error:
            self._mistake, self.problem = error, str(error)
            self._tried.set()
            return
        except Exception as error:  # as below
            self.problem = one_line(f"{type(error).__name__}: {error}", 300)
        self._tried.set()
        self._deliver()

    def _deliver(self) -> None:
        wait, beaten = _RETRY[0], time.monotonic()
        while not (self._closing and not self._records):
            batch = self._next(seconds=_GATHER)
            try:
                for _ in self._delivery.send(batch):
                    self.refused += 1
                if time.monotonic() - beaten > _BEAT and not self._closing:  # a run that has ended has no heart
                    self._delivery.beat()
                    beaten = time.monotonic()
            except Exception as error:  # of MLflow, SQLAlchemy, requests, the file system: in all cases, later again
                self.problem = one_line(f"{type(error).__name__}: {error}", 300)
                self._forget_delivered()
                if self._closing and time.monotonic() > self._deadline:
                    return
                self._pause(wait)
                wait = min(2 * wait, _RETRY[1])
            else:
                self._forget_delivered()
                self.problem, wait = "", _RETRY[0]

    def _next(self, seconds: float) -> Sequence[Record]:
        """Wait so many seconds, or until the courier closes. Return the first records of those that came meanwhile."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._closing and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
            return self._records[:_BATCH]

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, seconds)
                return
        time.sleep(min(seconds, 1.0))

    def _forget_delivered(self) -> None:
        with self._changed:
            last = self._delivery.delivered.n
            if self._records and self._records[0]["n"] <= last:
                self._deadline = max(self._deadline, time.monotonic())  # there is progress
            self._records = [record for record in self._records if record["n"] > last]
