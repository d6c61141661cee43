"""The container engine, as the test uses it: one compose project of its own, and what the engine says of it.

`docker compose` (the plugin) is used where there is one, else `docker-compose`. The project has a name of its
own, so that a developer's containers and volumes from the same compose file are never touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CERTIFICATES = ROOT / "docker" / "ca"
POLL_S = 0.5
MAX_RESTARTS = 3
"""How often the engine may restart a container before the test takes it for broken."""


class DockerTestError(Exception):
    """Why the test failed, in a sentence."""


def find_engine() -> str:
    """Return the engine's version.

    Raises:
        DockerTestError: no engine answers.
    """
    try:
        answer = _run(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=30)
    except (OSError, subprocess.SubprocessError):
        answer = None
    if answer is None or answer.returncode != 0:
        raise DockerTestError(
            "no container engine answers: install Docker and start it (`systemctl start docker`, or `dockerd` by "
            "hand), or set DOCKER_HOST, and run this again"
        )
    return answer.stdout.strip()


def find_compose() -> list[str]:
    """Return the command that runs compose.

    Raises:
        DockerTestError: there is none.
    """
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            if _run([*command, "version"], timeout_s=30).returncode == 0:
                return command
        except OSError:
            continue
    raise DockerTestError("compose is missing: install the Docker plugin `docker compose`, or docker-compose 1.29")


def image_exists(name: str) -> bool:
    """Tell whether the engine has an image."""
    return _run(["docker", "image", "inspect", name], timeout_s=30).returncode == 0


def image_megabytes(name: str) -> float:
    """Return an image's size."""
    size = _run(["docker", "image", "inspect", "--format", "{{.Size}}", name], timeout_s=30).stdout
    return int(size) / 1_000_000


def stage_images() -> set[str]:
    """Return the images without a name that builds of ours have left: the older builder keeps its first stage."""
    filters = ["--filter", "dangling=true", "--filter", "label=entente.stage=builder"]
    return set(_run(["docker", "images", "-q", "--no-trunc", *filters], 30).stdout.split())


def remove_images(names: Iterable[str]) -> list[str]:
    """Remove images; return those that are left."""
    wanted = [name for name in names if image_exists(name)]
    if wanted:
        _run(["docker", "image", "rm", *wanted], 120)
    return [name for name in wanted if image_exists(name)]


@contextmanager
def build_certificates() -> Iterator[str | None]:
    """Give the build the certificates that this machine's pip is told to trust, for as long as it builds.

    A company's proxy may stand between the build and the package index. Certificates that the operator has put
    into docker/ca stay as they are.

    Yields:
        The file that was lent, if any.
    """
    named = [os.environ.get(name, "") for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")]
    source = next((name for name in named if name and Path(name).is_file()), None)
    if source is None or list(CERTIFICATES.glob("*.crt")):
        yield None
        return
    lent = CERTIFICATES / "docker-test.crt"
    try:
        shutil.copyfile(source, lent)
        yield source
    finally:
        lent.unlink(missing_ok=True)


class Compose:
    """One compose project."""

    def __init__(self, command: list[str], project: str, settings: Mapping[str, str]) -> None:
        self._command = [*command, "-p", project, "-f", str(ROOT / "docker-compose.yml")]
        self._label = f"label=com.docker.compose.project={project}"
        self._settings = {**os.environ, **settings}

    def __call__(self, *arguments: str, timeout_s: float = 120) -> str:
        """Run a compose command and return what it printed on stdout.

        Raises:
            DockerTestError: it failed, or took too long.
        """
        name = f"compose {' '.join(arguments)}"
        try:
            done = _run([*self._command, *arguments], timeout_s, self._settings)
        except subprocess.TimeoutExpired:
            raise DockerTestError(f"`{name}` took more than {timeout_s:.0f} s") from None
        if done.returncode != 0:
            output = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
            raise DockerTestError(f"`{name}` failed ({done.returncode}):\n{output}")
        return done.stdout

    def execute(self, service: str, *command: str) -> str:
        """Run a command inside a service's running container; return what it printed, whatever its exit code."""
        # The engine is asked directly here and below: docker-compose takes one or two seconds for each call.
        return _run(["docker", "exec", self._container(service), *command], 60).stdout.strip()

    def run(self, service: str, *command: str) -> str:
        """Run a command in a container of its own, on a stopped service's volume; return what it printed.

        Raises:
            DockerTestError: it failed.
        """
        program, *arguments = command
        return self("run", "--rm", "--no-deps", "-T", "--entrypoint", program, service, *arguments)

    def inspect(self, service: str, field: str) -> str:
        """Return a field of a service's container, as a Go template names it."""
        container = self._container(service)
        return _run(["docker", "inspect", "--format", "{{" + field + "}}", container], 30).stdout.strip()

    def _container(self, service: str) -> str:
        label = f"label=com.docker.compose.service={service}"
        found = _run(["docker", "ps", "-aq", "--filter", self._label, "--filter", label], 30).stdout.split()
        if len(found) != 1:
            raise DockerTestError(f"{service} has {len(found)} containers, not one")
        return found[0]

    def wait_healthy(self, services: tuple[str, ...], timeout_s: float = 120) -> None:
        """Wait until the engine calls every service healthy.

        Raises:
            DockerTestError: one is not, in time, or keeps ending and being started again.
        """
        deadline = time.monotonic() + timeout_s
        waiting = list(services)
        while waiting:
            states = {service: self.inspect(service, ".State.Health.Status") for service in waiting}
            waiting = [service for service in waiting if states[service] != "healthy"]
            for service in waiting:
                if int(self.inspect(service, ".RestartCount")) >= MAX_RESTARTS:
                    raise DockerTestError(f"{service} ends by itself again and again")
            if waiting and time.monotonic() > deadline:
                last = self.inspect(waiting[0], "json .State.Health")
                raise DockerTestError(f"not healthy after {timeout_s:.0f} s: {states}; last checks: {last}")
            time.sleep(POLL_S if waiting else 0)

    def tear_down(self) -> list[str]:
        """Remove containers, network and volumes; return what is left of them."""
        self("down", "--volumes", "--remove-orphans", timeout_s=180)
        lists = (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"])
        found = [_run(["docker", *kind, "--filter", self._label], 30).stdout.split() for kind in lists]
        return [name for names in found for name in names]


def _run(
    command: list[str], timeout_s: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
