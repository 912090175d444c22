# SPDX-License-Identifier: MIT
"""What twelvefs is measured beside: the same tree on local file systems, and
behind an ordinary web server under other programs that mount such a thing.

Each peer is a context manager with a `name` and, once entered, a `path`.
"""
import pathlib
import shutil
import signal
import socket
import subprocess
import time

NGINX = """
pid {home}/nginx.pid; error_log {home}/error.log; daemon off;
worker_processes 1; user root;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; keepalive_requests 1000000;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port}; root {tree};
        autoindex on; autoindex_exact_size on;
    }}
}}
"""


def file_system_of(path):
    return subprocess.run(["stat", "-f", "-c", "%T", str(path)], check=True,
                          capture_output=True, text=True).stdout.strip()


def copy_tree(source, target):
    """The same files, links and times; writable, so that it can be removed."""
    subprocess.run(["cp", "-r", "--preserve=timestamps,links", "-P",
                    f"{source}/.", str(target)], check=True)
    subprocess.run(["chmod", "-R", "u+w", str(target)], check=True)


class Disk:
    """A copy on whatever file system temporary files are on."""
    is_remote = False

    def __init__(self, source, home):
        self.path = home / "disk"
        self.path.mkdir()
        # coreutils names the driver of ext2, ext3 and ext4 alike.
        kind = file_system_of(self.path)
        self.name = "ext4" if kind == "ext2/ext3" else kind
        copy_tree(source, self.path)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        pass


class Tmpfs:
    name = "tmpfs"
    is_remote = False

    def __init__(self, source, home):
        self.path = home / "tmpfs"
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=0,size=90%",
                        "tmpfs", str(self.path)], check=True)
        copy_tree(source, self.path)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        subprocess.run(["umount", str(self.path)], check=True)


class Nginx:
    """Serves a tree on loopback, with directory listings."""

    def __init__(self, tree, home):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        config = home / "nginx.conf"
        config.write_text(NGINX.format(home=home, tree=tree, port=self.port))
        self.process = subprocess.Popen(
            ["nginx", "-p", str(home), "-c", str(config)],
            stderr=subprocess.DEVNULL)
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            assert self.process.poll() is None, "nginx ended"
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Remote:
    """A program that mounts what a web server lists; a new process, with
    nothing kept, each time it is entered."""
    is_remote = True

    def __init__(self, home, port):
        self.home, self.url = home, f"http://127.0.0.1:{port}/"
        self.path = home / self.name
        self.path.mkdir()

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.path.is_mount():
            assert self.process.poll() is None, f"{self.name} ended"
            time.sleep(0.02)
        return self

    def __exit__(self, *failure):
        subprocess.run(["fusermount3", "-uz", str(self.path)], check=True)
        self.process.kill()
        self.process.wait()


class Rclone(Remote):
    name = "rclone"

    def command(self):
        return ["rclone", "mount", "--read-only", "--dir-cache-time", "24h",
                "--config", str(self.home / "none"), "--http-url", self.url,
                ":http:", str(self.path)]


class Httpdirfs(Remote):
    name = "httpdirfs"

    def command(self):
        cache = self.home / "httpdirfs-cache"
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir()
        return ["httpdirfs", "-f", "--cache", "--cache-location", str(cache),
                self.url, str(self.path)]


def web_tree(source, home):
    """What the web server serves: links don't travel over HTTP."""
    tree = pathlib.Path(home / "web")
    subprocess.run(["rsync", "-aq", "--no-links", f"{source}/", str(tree)],
                   check=True)
    return tree
