"""A Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, and fake nodes by kwok.

`make test-cluster` builds the programs. No container runs: kwok reports each pod that is scheduled as ready.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import trustme
import yaml

from tests.support.certificates import create_client_context, issue_certificate
from tests.support.chart import ROOT
from tests.support.processes import eventually, free_port, run_process

PROGRAMS = ROOT / ".tools" / "cluster"
# Dual stack, with IPv4 first.
SERVICE_ADDRESSES = "10.96.0.0/16,fd00:96::/112"


@contextmanager
def start_control_plane(folder: Path) -> Iterator[Path]:
    """Runs the control plane while the block lasts; the result is a kubeconfig of an administrator.

    The folder holds all data, keys and logs.
    """
    etcd, api = (f"127.0.0.1:{free_port()}" for _ in range(2))
    authority = trustme.CA()
    kubeconfig = write_credentials(folder, authority, f"https://{api}")
    with ExitStack() as stack:

        def start(name: str, *options: str) -> None:
            stack.enter_context(run_process(str(PROGRAMS / name), *options, log=folder / f"{name}.log"))

        start("etcd", *etcd_options(folder, f"http://{etcd}"))
        eventually(lambda: httpx.get(f"http://{etcd}/readyz").is_success, seconds=120)
        start("kube-apiserver", *api_server_options(folder, f"http://{etcd}", api))
        context = create_client_context(authority, folder / "unused.pem")
        eventually(lambda: httpx.get(f"https://{api}/readyz", verify=context).is_success, seconds=120)
        start("kube-controller-manager", *controller_options(folder, kubeconfig))
        start("kube-scheduler", *component_options(kubeconfig))
        start("kwok", f"--kubeconfig={kubeconfig}", "--manage-all-nodes", "--node-lease-duration-seconds=40")
        yield kubeconfig


def write_credentials(folder: Path, authority: trustme.CA, url: str) -> Path:
    """Writes the certificates and keys, and returns a kubeconfig of an administrator."""
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    issue_certificate(folder, authority, "server")
    # Its organization is the user's group.
    user = authority.issue_cert("admin", common_name="admin", organization_name="system:masters")
    user.private_key_and_cert_chain_pem.write_to_path(str(folder / "admin.pem"))
    credentials = {"client-certificate": "admin.pem", "client-key": "admin.pem"}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "local", "cluster": {"server": url, "certificate-authority": "ca.crt"}}
                ],
                "users": [{"name": "admin", "user": credentials}],
                "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
                "current-context": "local",
            }
        ),
        encoding="utf-8",
    )
    return kubeconfig


def etcd_options(folder: Path, url: str) -> list[str]:
    peer = f"http://127.0.0.1:{free_port()}"
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def api_server_options(folder: Path, etcd: str, address: str) -> list[str]:
    host, port = address.split(":")
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={host}",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--service-account-key-file={folder / 'server.key'}",
        f"--service-account-signing-key-file={folder / 'server.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
    ]


def controller_options(folder: Path, kubeconfig: Path) -> list[str]:
    return [
        *component_options(kubeconfig),
        f"--service-account-private-key-file={folder / 'server.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
    ]


def component_options(kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        "--leader-elect=false",
    ]
