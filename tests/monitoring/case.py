"""A case of an alert: series in promtool's notation, a sample a step, and whether it fires on them."""

import re
from typing import Final, NamedTuple

COUNTED: Final = re.compile(r"stockstream_\w+_(total|bucket|count)\b")
INFO: Final = "stockstream_process_info"


class Case(NamedTuple):
    """Series and whether the alert fires on them after `minutes`; `severities` are those that do.

    `ever`: asked of all minutes until then, not of the last alone. Series of counters begin as those of a process do:
    not there (`_`), and then with what it had counted when it was first asked.
    """

    alert: str
    what: str
    series: dict[str, str]
    minutes: int
    severities: tuple[str, ...] = ()
    step: str = "1m"
    ever: bool = False

    @property
    def counters(self) -> dict[str, str]:
        return {name: values for name, values in self.series.items() if COUNTED.match(name)}

    @property
    def whole(self) -> dict[str, str]:
        """With the process that counts, one at each site, scraped since it started; unless the case has its own."""
        if not self.counters or any(name.startswith(INFO) for name in self.series):
            return self.series
        process: dict[str, str] = {}
        steps = self.minutes // int(self.step.removesuffix("m")) + 1
        for site in {"".join(re.findall(r'site="\w+"', name)) for name in self.counters}:
            process[f'{INFO}{{process="worker", version="1", {site}}}'] = f"1x{steps}"
            process[f"process_start_time_seconds{{{site}}}"] = f"0x{steps}"
        return {**self.series, **process}


def scraped_late(series: dict[str, str], *, minutes: int, away: int, step: int = 1) -> dict[str, str]:
    """Series of a process that had been running for ten days, of which Prometheus heard nothing for a while."""
    process = {f'{INFO}{{process="worker", version="1"}}': 1, "process_start_time_seconds": -864_000}
    gap = f"x{minutes // step} _x{away // step} {{0}}x{minutes // step}"
    return {
        **{name: value + gap.format(value) for name, value in series.items()},
        **{name: str(value) + gap.format(value) for name, value in process.items()},
    }
