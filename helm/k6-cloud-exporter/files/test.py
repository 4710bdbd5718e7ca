"""What `helm test` runs: waits until the exporter is ready, then looks for what only it tells.

Arguments: where it is, the path of its metrics, and whether it may be asked (http) or answers only clients
that have a certificate (tcp).
"""

import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# The certificate is for the name by which Prometheus asks; here it is enough to be answered.
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


def asked(url: str) -> tuple[int, str]:
    """The status and the text of the answer, or 0 and why there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=TRUSTING) as answer:  # noqa: S310 (http or https)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def connected(address: str) -> tuple[int, str]:
    """The status and the text that stand for a port that can be connected to, or that cannot."""
    place = urllib.parse.urlsplit(address)
    try:
        socket.create_connection((place.hostname, place.port), timeout=5).close()
    except OSError as error:
        return 0, str(error)
    return 200, ""


def main(address: str, telemetry_path: str, kind: str) -> None:
    for _ in range(30):
        status, text = connected(address) if kind == "tcp" else asked(address + "/-/ready")
        if status == 200:
            break
        time.sleep(2)
    else:
        sys.exit(f"{address}/-/ready answers {status}: {text}")
    if kind == "tcp":
        print("There. What it tells is only for clients with a certificate, which this test has not.")
        return
    status, text = asked(address + telemetry_path)
    if status == 401:
        print("Ready. The metrics ask for a password, which this test has not.")
    elif status != 200 or "k6_cloud_exporter_build_info" not in text:
        sys.exit(f"{address}{telemetry_path} answers {status}, and not with the metrics of the exporter")
    else:
        print("Ready, and tells its metrics.")


main(*sys.argv[1:])
