"""Counts individual test cases in what a test program printed: cmocka, TAP or Python's unittest."""
import re
from dataclasses import dataclass, field

CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (?!\d+ test\(s\))(.*)$")
TAP = re.compile(r"^(not ok|ok)\b[ \t]*\d*[ \t]*(?:- )?(.*?)[ \t]*(?:# *((?i:SKIP|T[O]DO))\b[ \t]*(.*))?$")
TAP_SKIP_ALL = re.compile(r"^1\.\.0\s*# *skip\w*:?\s*(.*)$", re.I)
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ")
UNITTEST_END = re.compile(r"^(OK|FAILED)(?: \((.*)\))?$")
UNITTEST_SKIP = re.compile(r"^(.*) \.\.\. skipped ['\"](.*)['\"]$")
REASON = re.compile(r"^\W*skip(?:ped|ping)?\b[^:]*: *(.+)$", re.I)


@dataclass
class Cases:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)  # names
    skips: list = field(default_factory=list)  # "name: reason"

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.skips += other.skips

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def skip(self, name, reason):
        self.skipped += 1
        self.skips.append(f"{name}: {reason}" if reason else name)

    @property
    def total(self):
        return self.passed + self.failed + self.skipped


def parse(output):
    """Cases named in `output`; none if it is in no format that is known."""
    cases = Cases()
    reason = ""
    seen = set()
    for line in output.splitlines():
        line = line.rstrip()
        if match := CMOCKA.match(line):
            verdict, name = match.groups()
            if verdict == "OK":
                cases.passed += 1
            elif (verdict, name) not in seen:  # cmocka names them again at the end
                seen.add((verdict, name))
                cases.skip(name, reason) if verdict == "SKIPPED" else cases.fail(name)
            reason = ""
        elif match := TAP_SKIP_ALL.match(line):
            cases.skip("all", match.group(1))
        elif match := TAP.match(line):
            verdict, name, directive, why = match.groups()
            if (directive or "").upper() == "SKIP":
                cases.skip(name, why)
            elif verdict == "ok" or directive:
                cases.passed += 1
            else:
                cases.fail(name)
        elif match := UNITTEST_SKIP.match(line):
            cases.skips.append(": ".join(match.groups()))  # counted by its last lines
        elif match := REASON.match(line):
            reason = match.group(1)
    cases.add(parse_unittest(output))
    return cases


def parse_unittest(output):
    """unittest sums up in its last lines: "Ran 5 tests in 0.1s", "FAILED (failures=1, skipped=2)"."""
    cases = Cases()
    ran = 0
    for line in output.splitlines():
        if match := UNITTEST_RAN.match(line):
            ran = int(match.group(1))
        elif ran and (match := UNITTEST_END.match(line)):
            counts = dict(re.findall(r"(\w+)=(\d+)", match.group(2) or ""))
            cases.failed += int(counts.get("failures", 0)) + int(counts.get("errors", 0))
            cases.skipped += int(counts.get("skipped", 0))
            cases.passed += max(0, ran - cases.total)
            cases.failures += re.findall(r"^(?:FAIL|ERROR): (.*)$", output, re.M)
            ran = 0
    return cases


def of_test(name, result, output, status=0):
    """The cases of one test program. `result` is meson's word for how it ended, `status` its exit
    code; one that ends badly after its cases went well (a crash, a leak), or whose cases did not
    all run (a time-out), is one failed case more."""
    cases = parse(output)
    died = result == "TIMEOUT" or status < 0 or status >= 128
    good = result in ("OK", "SKIP", "EXPECTEDFAIL")
    if not good and (cases.failed == 0 or died):
        cases.fail(f"ended with {result}")
    if cases.total == 0 and result == "SKIP":
        match = next(filter(None, map(REASON.match, output.splitlines())), None)
        last = output.strip().splitlines()[-1:] or [""]
        cases.skip("all", match.group(1) if match else last[0])
    elif cases.total == 0:
        cases.passed = 1
    cases.failures = [f"{name}: {f}" for f in cases.failures]
    cases.skips = [f"{name}: {s}" for s in cases.skips]
    return cases
