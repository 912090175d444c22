# SPDX-License-Identifier: MIT
"""What the environment says of the way to the API: certificates, proxies,
names; and servers of names that don't answer."""
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

from mounting import Mount, MountFailed, PATIENCE_S, folders, pictures
from waiting import within

ASSETS = 60


# ---- certificates ----------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key) for localhost, signed by nobody but itself."""
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "3", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", key, "-out", pem],
        check=True, capture_output=True)
    return pem, key


class Front:
    """Speaks TLS on a port of its own and hands bytes on to the stand-in."""

    def __init__(self, server, certificate):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        to = urllib.parse.urlsplit(server.api)
        self.to = (to.hostname, to.port)
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.api = f"https://localhost:{port}{to.path}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(plain,),
                             daemon=True).start()

    def serve(self, plain):
        try:
            client = self.context.wrap_socket(plain, server_side=True)
        except (OSError, ssl.SSLError):
            plain.close()
            return
        with client, socket.create_connection(self.to) as server:
            threading.Thread(target=pump, args=(server, client),
                             daemon=True).start()
            pump(client, server)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):
        pass


@pytest.fixture
def front(standin, certificate):
    front = Front(standin(assets=ASSETS), certificate)
    yield front
    front.close()


# Whatever this machine's say; empty is absent.
UNSET = dict.fromkeys(["CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
                       "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                       "ALL_PROXY", "no_proxy", "NO_PROXY"], "")


def trust(variable, certificate, folder):
    """What a user would set so that this certificate is believed."""
    pem = certificate[0]
    if variable != "SSL_CERT_DIR":
        return {variable: str(pem)}
    name = subprocess.run(["openssl", "x509", "-noout", "-hash", "-in", pem],
                          check=True, capture_output=True, text=True).stdout
    (folder / f"{name.strip()}.0").write_bytes(pem.read_bytes())
    return {variable: str(folder)}


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR",
                                      "CURL_CA_BUNDLE"])
def test_a_certificate_is_believed_as_curl_is_told(standin, front, certificate,
                                                   tmp_path, variable):
    env = {**UNSET, "TWELVELABS_BASE_URL": front.api,
           "TWELVE_LABS_API_KEY": standin(assets=1).key,
           **trust(variable, certificate, tmp_path)}
    with Mount(None, env=env) as m:
        m.wait_complete()
        assert len(folders(m)) == ASSETS


@pytest.mark.parametrize("variable", [None, "CURL_CA_BUNDLE"])
def test_a_certificate_that_cannot_pass_is_said_once_and_at_once(
        front, certificate, tmp_path, variable):
    """Also where the one variable that is set first names another file."""
    env = {**UNSET, "TWELVELABS_BASE_URL": front.api,
           "TWELVE_LABS_API_KEY": "key"}
    if variable:
        env["SSL_CERT_FILE"] = str(certificate[0])
        env[variable] = "/etc/ssl/certs/ca-certificates.crt"
    start = time.monotonic()
    with pytest.raises(MountFailed) as failure:
        Mount(None, env=env, timeout=30)
    assert time.monotonic() - start < 20
    assert failure.value.status == 5
    assert "certificate" in failure.value.stderr.splitlines()[-1]
    assert front.connections == 1


# ---- proxies ---------------------------------------------------------------

def test_no_proxy_is_for_pictures_as_for_the_api(standin):
    server = standin(assets=ASSETS)
    env = {**UNSET, "http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.0/8"}
    with Mount(server, env=env, timeout=5) as m:
        m.wait_complete()
        found = list(pictures(m))
        assert len(found) > 10
        assert all(path.read_bytes() for path in found)


# ---- names -----------------------------------------------------------------

# In a network and mount namespace of its own: the only server of names takes
# questions and never answers.
SILENT = """
import fcntl, os, socket, struct, subprocess, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
up = struct.pack("16sH14x", b"lo", 0x1 | 0x40)
fcntl.ioctl(s, 0x8914, up)  # SIOCSIFFLAGS: up, running
s.bind(("127.0.0.1", 53))
os.set_inheritable(s.fileno(), True)
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def nameless(tmp_path):
    """A command that runs another where no name is ever found."""
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:3\n")
    within = ["unshare", "-n", "-m", sys.executable, "-c", SILENT, str(file)]
    if subprocess.run([*within, "true"], capture_output=True,
                      check=False).returncode:
        pytest.skip("needs to make namespaces")
    return within


NOWHERE = {**UNSET, "TWELVELABS_BASE_URL": "http://api.nowhere.test/v1.3",
           "TWELVE_LABS_API_KEY": "key"}


def was_asked(pid):
    """Whether a question waits at the silent server's port 53."""
    for line in pathlib.Path(f"/proc/{pid}/net/udp").read_text().splitlines():
        words = line.split()
        if words[1] == "0100007F:0035":
            return words[4].rpartition(":")[2] != "00000000"
    return False


def test_a_silent_server_of_names_is_no_longer_waited_for_than_timeout(
        nameless):
    start = time.monotonic()
    with pytest.raises(MountFailed) as failure:
        Mount(None, env=NOWHERE, within=nameless, timeout=2)
    assert failure.value.status == 5
    assert time.monotonic() - start < 2 + 4


def test_a_signal_ends_the_start_while_a_name_is_looked_up(nameless):
    m = Mount(None, env=NOWHERE, within=nameless, wait=False)
    try:
        within(PATIENCE_S, lambda: was_asked(m.process.pid))
        start = time.monotonic()
        m.process.send_signal(signal.SIGTERM)
        assert m.process.wait(timeout=PATIENCE_S) == 8
        assert time.monotonic() - start < 4
    finally:
        m.stop()
