"""What is given replaces its part, and what cannot be had is told with what to do. No broker starts here."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from local.stack import LocalStack, Ports, StackError

GIVEN = {"bootstrap": "broker.example:9092", "registry": "http://registry.example:8081/"}


def quiet(_: str) -> None:
    """Progress nobody reads."""


def test_what_is_given_replaces_its_part(tmp_path):
    """With all three given nothing is started, and the endpoints are those given."""
    with LocalStack(tmp_path, **GIVEN, redis="redis://redis.example:6379/1", progress=quiet) as stack:
        assert {} == stack.pids == stack.logs
        assert "broker.example:9092" == stack.bootstrap
        assert "http://registry.example:8081" == stack.registry_url
        assert "redis://redis.example:6379/1" == stack.redis_url


def test_a_given_part_is_not_ours_to_stop(tmp_path):
    """Fault methods refuse to touch a broker the stack did not start."""
    with LocalStack(tmp_path, **GIVEN, need_redis=False, progress=quiet) as stack, pytest.raises(StackError):
        stack.stop_broker(kill=True)


def test_redis_alone_starts_at_the_port_asked_for_and_keeps_its_data(tmp_path):
    """A part can run by itself; a stack on the same directory finds what the last one stored."""
    for expected in (None, b"7"):
        with LocalStack(tmp_path, **GIVEN, progress=quiet) as stack:
            assert ["redis"] == list(stack.pids)
            with redis.Redis.from_url(stack.redis_url) as client:
                assert expected == client.get("stock")
                client.set("stock", "7")


def test_a_port_that_is_taken_is_an_error_that_names_it(tmp_path):
    """A fixed port in use is told, not silently replaced."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=f"Port {port} on 127.0.0.1 is taken"):
            LocalStack(tmp_path, **GIVEN, ports=Ports(redis=port), progress=quiet).start()


def test_one_directory_serves_one_stack(tmp_path):
    """A second stack on the same directory would damage the first one's data: it is refused at once."""
    with LocalStack(tmp_path, **GIVEN, progress=quiet) as stack:
        with pytest.raises(StackError, match="Another local stack uses"):
            LocalStack(tmp_path, **GIVEN, progress=quiet).start()
        with redis.Redis.from_url(stack.redis_url) as client:
            assert client.ping()


def test_a_temporary_directory_goes_with_the_stack_and_stays_after_a_fault():
    """Nothing is left behind by a clean end; the logs are there to read after another."""
    with LocalStack(**GIVEN, progress=quiet) as stack:
        pass
    assert not stack.directory.exists()

    told: list[str] = []
    with pytest.raises(ZeroDivisionError), LocalStack(**GIVEN, progress=told.append) as stack:
        1 / 0  # noqa: B018
    assert stack.logs["redis"].exists()
    assert str(stack.directory / "logs") in told[-1]
    stack.stop()
    assert not stack.directory.exists()


@pytest.mark.stack
def test_a_broker_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path):
    """Damaged data: the error names the part, its exit, the log's last lines and the log file."""
    (tmp_path / "data" / "kafka").mkdir(parents=True)
    (tmp_path / "data" / "kafka" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")
    with pytest.raises(StackError, match=r"(?s)Kafka ended at its start \(status 1\).*node id 7") as caught:
        LocalStack(tmp_path, need_registry=False, need_redis=False, progress=quiet).start()

    assert str(tmp_path / "logs" / "kafka.log") in caught.value.remedy


OWNER = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a session in the background ignores it
import json, sys, time
from pathlib import Path
from local.stack import LocalStack
with LocalStack(Path(sys.argv[1]), **json.loads(sys.argv[2])) as stack:
    print(json.dumps(stack.pids), flush=True)
    time.sleep(600)
"""


def start_owner(directory: Path, given: dict[str, str]) -> "subprocess.Popen[str]":
    """A process of its own that keeps a stack, in a process group as from a terminal."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", OWNER, str(directory), json.dumps(given)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_ctrl_c_ends_the_stack_cleanly(tmp_path):
    """The servers are still there while the owner unwinds, then end; what Redis was told is stored."""
    with start_owner(tmp_path, GIVEN) as owner:
        pids = json.loads(owner.stdout.readline())
        os.killpg(owner.pid, signal.SIGINT)
        try:
            _, errors = owner.communicate(timeout=60)
        finally:
            owner.kill()

    assert "KeyboardInterrupt" in errors
    assert not Path(f"/proc/{pids['redis']}").exists()
    assert "ready to exit" in (tmp_path / "logs" / "redis.log").read_text()


@pytest.mark.stack
def test_the_whole_stack_ends_with_a_killed_owner_and_its_directory_can_be_used_again(tmp_path):
    """SIGKILL of the process that started it: no server outlives it, and the next start takes over the directory."""
    with start_owner(tmp_path, {}) as owner:
        pids = json.loads(owner.stdout.readline())
        owner.kill()
    assert {"kafka", "registry", "redis"} == set(pids)

    with LocalStack(tmp_path, need_registry=False, progress=quiet) as stack:  # waits for the dead one's servers
        assert not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()]
        assert stack.bootstrap
