#!/usr/bin/env python3
"""A function's `bootstrap` that fails once and then runs the real binary.

`fault.json` in the same directory configures it: `{"fault": "throw" | "refuse" | "kill", "marker": path}`. The first start
creates the marker file and fails. Every later start runs the real binary at once.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

HERE = pathlib.Path(__file__).resolve().parent
REAL = str(HERE / "real")
INVOCATION = "/2018-06-01/runtime/invocation"


def main():
    fault = json.loads((HERE / "fault.json").read_text())
    try:
        os.close(os.open(fault["marker"], os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        os.execv(REAL, [REAL])
    faults = {"throw": lambda marker: throw(marker, "Injected"), "refuse": lambda marker: throw(marker, "SourceAccessDenied"), "kill": kill}
    faults[fault["fault"]](fault["marker"])


def throw(marker, name):
    """Responds to the first invocation with an error of this name."""
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("GET", f"{INVOCATION}/next")
    invocation = api.getresponse()
    invocation.read()
    request = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    error = {"errorType": name, "errorMessage": "thrown by the test", "stackTrace": []}
    api.request("POST", f"{INVOCATION}/{request}/error", json.dumps(error), {"Content-Type": "application/json"})
    api.getresponse().read()
    api.close()
    pathlib.Path(marker).write_text("thrown")
    os.execv(REAL, [REAL])


def kill(marker):
    """Runs the real binary behind a proxy for AWS, and kills it as soon as it has uploaded a part."""
    upstream = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    child = subprocess.Popen([REAL], env={**os.environ, "AWS_ENDPOINT_URL": endpoint})

    def proxy(client):
        server = socket.create_connection((upstream[0], int(upstream[1])))
        uploading = threading.Event()

        def send():
            while data := client.recv(65536):
                if b"partNumber=" in data[:4096] and data.startswith(b"PUT "):
                    uploading.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

        def receive():
            while data := server.recv(65536):
                if uploading.is_set() and b" 200 " in data[:20]:
                    pathlib.Path(marker).write_text("killed")
                    # This program ends when the child has ended.
                    child.kill()
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        for run in (send, receive):
            threading.Thread(target=ignore_os_errors, args=(run,), daemon=True).start()

    def accept():
        while True:
            proxy(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: (child.kill(), os._exit(143)))
    child.wait()
    os._exit(child.returncode & 0xFF)


def ignore_os_errors(run):
    try:
        run()
    except OSError:
        pass


if __name__ == "__main__":
    main()
