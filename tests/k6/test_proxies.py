"""Which proxy a URL is requested through. The table of NO_PROXY is also compared with what Go does."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.k6.proxies import Proxy, ProxyError, find_proxy, ignored_entries
from tests.support.exporter_process import environment
from tests.support.golden import assert_golden

GOLDEN = Path(__file__).parent / "proxies.txt"
GO_PROGRAM = Path(__file__).parent / "go" / "no_proxy.go"
PROXY = "http://proxy.test:3128"

# NO_PROXY, then hosts that it excludes, then hosts that it does not.
NO_PROXY: list[tuple[str, list[str], list[str]]] = [
    ("", [], ["k6.test", "192.0.2.1", "[2001:db8::1]", "local.localhost", "localhost.test"]),
    # Loopback is excluded always, and nothing else that looks like it.
    ("other", ["localhost", "localhost:80", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::ffff:127.0.0.1]"], []),
    ("other", [], ["128.0.0.1", "[::2]", "mylocalhost", "127.0.0.1.test"]),
    ("*", ["k6.test", "k6.test:8443", "192.0.2.1", "[2001:db8::1]"], []),
    ("other, * ", ["k6.test"], []),
    # A domain and its subdomains.
    ("k6.test", ["k6.test", "api.k6.test", "a.b.k6.test", "K6.TEST"], ["ak6.test", "k6.test.evil", "test"]),
    ("K6.Test", ["k6.test", "api.k6.test"], []),
    ("test", ["k6.test", "test"], ["k6.testing"]),
    # Subdomains only.
    (".k6.test", ["api.k6.test", "a.b.k6.test"], ["k6.test", "ak6.test"]),
    ("*.k6.test", ["api.k6.test"], ["k6.test", "ak6.test"]),
    # Ports, also the one that a scheme implies.
    ("k6.test:443", ["k6.test", "k6.test:443", "api.k6.test"], ["k6.test:8443"]),
    (".k6.test:8443", ["api.k6.test:8443"], ["api.k6.test", "k6.test:8443"]),
    ("192.0.2.1:443", ["192.0.2.1"], ["192.0.2.1:8443", "192.0.2.2"]),
    ("[2001:db8::1]:443", ["[2001:db8::1]"], ["[2001:db8::1]:8443", "[2001:db8::2]"]),
    # Addresses and networks.
    ("192.0.2.1", ["192.0.2.1", "192.0.2.1:80"], ["192.0.2.10", "192.0.2.1.test"]),
    ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255:8443"], ["11.0.0.1", "10.test"]),
    ("10.1.2.3/8", ["10.9.9.9"], ["11.0.0.1"]),
    ("10.0.0.0/8", ["[::ffff:10.0.0.1]"], ["[::ffff:11.0.0.1]"]),
    ("0.0.0.0/0", ["192.0.2.1"], ["[2001:db8::1]", "k6.test"]),
    ("2001:db8::1", ["[2001:db8::1]", "[2001:db8:0::1]:80"], ["[2001:db8::10]"]),
    ("fd00::/8", ["[fd00::1]", "[fdff::]"], ["[fe00::1]", "10.0.0.1", "k6.test"]),
    ("fe80::/10,::1/128", ["[fe80::1]", "[febf::1]"], ["[fec0::1]", "k6.test"]),
    # Other alphabets.
    ("münchen.test", ["xn--mnchen-3ya.test", "api.xn--mnchen-3ya.test"], ["munchen.test"]),
    # Lists.
    (" k6.test ,, 10.0.0.0/8,\t.example.com", ["k6.test", "10.0.0.1", "a.example.com"], ["example.com"]),
    # What has no valid syntax matches nothing, and the rest is used.
    (":1,k6.test:x,10.0.0.0/33,fd00::/129,http://k6.test,*k6.test,other", ["other"], ["k6.test", "10.0.0.1"]),
]
ROWS = [
    pytest.param(no_proxy, host, is_proxied, id=f"{no_proxy}-{host}-{is_proxied}")
    for no_proxy, excluded, proxied in NO_PROXY
    for hosts, is_proxied in ((excluded, False), (proxied, True))
    for host in hosts
]
UNUSABLE = [
    *("socks5://127.0.0.1:1080", "SOCKS5H://svc:Secret@127.0.0.1:1080", "ftp://proxy:21", "http://"),
    *("http://svc:Sec/ret@proxy:3128", "http://svc:Sec#ret@proxy:3128", "svc:Sec?ret@proxy:3128"),
    *("http://svc:12/Secret@proxy", "svc:Sec://ret@proxy:3128", "Secret://proxy", '"http://proxy:3128"'),
    *("http://svc:Secret@proxy:0", "http://svc:Secret@proxy:65536", "http://svc:Secret@proxy:x"),
    *("http://svc:Secret@pro xy:3128", "http://svc:Sec\nret@proxy:3128", "http://svc:Secret@[::1:3128"),
]


@pytest.mark.parametrize(("no_proxy", "host", "is_proxied"), ROWS)
def test_no_proxy_excludes_what_go_excludes(no_proxy: str, host: str, is_proxied: bool) -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}

    assert (find_proxy(f"https://{host}/runs", environ) is not None) == is_proxied


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go, with which the table is compared")
def test_table_of_no_proxy_agrees_with_go(tmp_path: Path) -> None:
    program = tmp_path / "no_proxy"
    subprocess.run(["go", "build", "-o", program, GO_PROGRAM], check=True, timeout=300)
    for no_proxy, excluded, proxied in NO_PROXY:
        given = environment(HTTPS_PROXY=PROXY, NO_PROXY=no_proxy)
        urls = [f"https://{host}/runs" for host in (*excluded, *proxied)]
        shown = subprocess.run([program, *urls], env=given, capture_output=True, text=True, check=True)

        assert shown.stdout.split() == ["false"] * len(excluded) + ["true"] * len(proxied), no_proxy


def test_no_proxy_may_be_separated_by_spaces() -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8 k6.test  fd00::/8"}

    for host in ("10.0.0.1", "k6.test", "[fd00::1]"):
        assert find_proxy(f"https://{host}", environ) is None


def test_dot_at_the_end_of_a_name_is_ignored() -> None:
    for no_proxy, host in (("k6.test.", "k6.test"), ("k6.test", "k6.test."), ("", "localhost.")):
        assert find_proxy(f"https://{host}", {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) is None


@given(st.text())
def test_any_no_proxy_is_accepted(no_proxy: str) -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}
    ignored_entries(environ)

    assert find_proxy("https://127.0.0.1", environ) is None
    assert find_proxy("https://api.k6.test", environ) in (None, Proxy(PROXY, "HTTPS_PROXY"))


@given(st.ip_addresses(), st.integers(0, 32))
def test_network_in_no_proxy_excludes_its_addresses(address: object, prefix: int) -> None:
    host = f"[{address}]" if ":" in str(address) else address
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": f"{address}/{prefix}"}

    # An IPv4 address in IPv6 notation belongs to IPv4 networks, in Go as well.
    if "::ffff:" not in f"{address}":
        assert find_proxy(f"https://{host}", environ) is None


def test_invalid_entries_are_listed_without_credentials() -> None:
    no_proxy = "k6.test, :1, 10.0.0.0/33, http://svc:Secret@proxy, *.k6.test, fd00::/8, [::1]:443, *"

    assert ignored_entries({"NO_PROXY": no_proxy}) == [":1", "10.0.0.0/33", "proxy"]


def test_variable_is_chosen_by_scheme() -> None:
    environ = {"https_proxy": "a:1", "HTTPS_PROXY": "b:1", "HTTP_PROXY": "c:1", "ALL_PROXY": "d:1"}

    assert find_proxy("https://k6.test", environ) == Proxy("http://a:1", "https_proxy")
    assert find_proxy("https://k6.test", environ | {"https_proxy": ""}) == Proxy("http://b:1", "HTTPS_PROXY")
    assert find_proxy("http://k6.test", environ) == Proxy("http://c:1", "HTTP_PROXY")
    assert find_proxy("https://k6.test", {"all_proxy": "d:1"}) == Proxy("http://d:1", "all_proxy")
    assert find_proxy("https://k6.test", {"HTTP_PROXY": "c:1"}) is None
    assert find_proxy("https://k6.test", {"HTTPS_PROXY": "a:1", "no_proxy": "k6.test"}) is None


def test_http_proxy_is_ignored_in_a_cgi_script() -> None:
    environ = {"HTTP_PROXY": "evil:1", "REQUEST_METHOD": "GET"}

    assert find_proxy("http://k6.test", environ) is None
    assert find_proxy("http://k6.test", environ | {"http_proxy": "a:1"}) == Proxy("http://a:1", "http_proxy")


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("proxy", "http://proxy"),
        ("proxy:3128", "http://proxy:3128"),
        (" http://proxy:3128/ ", "http://proxy:3128"),
        ("http://proxy:3128/proxy.pac", "http://proxy:3128"),
        ("HTTPS://proxy:3128", "https://proxy:3128"),
        ("http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
    ],
)
def test_proxy_is_a_url_or_an_address(value: str, url: str) -> None:
    assert find_proxy("https://k6.test", {"HTTPS_PROXY": value}) == Proxy(url, "HTTPS_PROXY")


@pytest.mark.parametrize(
    ("value", "auth"),
    [
        ("http://svc:Secret@proxy:3128", ("svc", "Secret")),
        ("http://svc:Sec%2Fret%40@proxy:3128", ("svc", "Sec/ret@")),
        ("http://svc:Sec@ret:1@proxy:3128", ("svc", "Sec@ret:1")),
        ("svc@proxy:3128", ("svc", "")),
    ],
)
def test_credentials_are_kept_apart_from_the_text(value: str, auth: tuple[str, str]) -> None:
    proxy = find_proxy("https://k6.test", {"HTTPS_PROXY": value})

    assert proxy == Proxy("http://proxy:3128", "HTTPS_PROXY", auth)
    assert str(proxy) == "http://proxy:3128"
    assert "svc" not in repr(proxy)
    assert "Sec" not in repr(proxy)


def test_unusable_proxies_match_the_golden_file() -> None:
    lines = []
    for value in UNUSABLE:
        with pytest.raises(ProxyError) as raised:
            find_proxy("https://k6.test", {"HTTPS_PROXY": value})
        assert not [part for part in ("svc", "Secret", "ret@") if part in str(raised.value)]
        lines.append(f"{value!r}: {raised.value}\n")

    assert_golden(GOLDEN, "".join(lines))


@given(st.text())
def test_unusable_proxy_is_not_quoted(secret: str) -> None:
    value = f"ftp://svc:canary-{secret}@proxy"
    with pytest.raises(ProxyError) as raised:
        find_proxy("https://k6.test", {"HTTPS_PROXY": value})

    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_unusable_proxy_of_an_excluded_host_is_ignored() -> None:
    environ = {"HTTPS_PROXY": "socks5://proxy", "HTTP_PROXY": "ftp://proxy", "NO_PROXY": "k6.test"}

    assert find_proxy("https://k6.test", environ) is None
    assert find_proxy("http://127.0.0.1:10566", environ) is None
