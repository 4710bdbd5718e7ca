"""Ingress and HTTPRoute publish only the webhook, unless the values name other paths."""

from tests.support.chart import Tree, one, with_secret

WEBHOOK = {"web": {"webhook_secret_file": "/webhook/secret"}}


def ingress(**values: object) -> Tree:
    found: Tree = one("Ingress", with_secret(config=WEBHOOK, ingress={"enabled": True} | values))["spec"]
    return found


def route(**values: object) -> Tree:
    values = {"enabled": True, "parentRefs": [{"name": "public"}]} | values
    found: Tree = one("HTTPRoute", with_secret(config=WEBHOOK, httpRoute=values))["spec"]
    return found


def test_ingress_publishes_only_the_webhook_by_default() -> None:
    [rule] = ingress(hosts=[{"host": "k6.example.com"}])["rules"]

    assert rule["host"] == "k6.example.com"
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [("/webhook/", "Prefix")]


def test_ingress_paths_replace_the_webhook() -> None:
    paths = [{"path": "/", "pathType": "Exact"}, {"path": "/k6/"}]
    [rule] = ingress(hosts=[{"host": "k6.example.com", "paths": paths}])["rules"]

    made = [(path["path"], path["pathType"]) for path in rule["http"]["paths"]]
    assert made == [("/", "Exact"), ("/k6/", "Prefix")]


def test_ingress_backend_is_the_port_of_the_service() -> None:
    [rule] = ingress(hosts=[{"host": "k6.example.com"}])["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = one("Service", with_secret())

    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"] == {"name": service["spec"]["ports"][0]["name"]}


def test_route_publishes_only_the_webhook_by_default() -> None:
    [rule] = route()["rules"]

    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/webhook/"}}]
    assert rule["backendRefs"] == [{"name": "rel-k6-cloud-exporter", "port": 10565}]


def test_route_rules_get_the_backend_unless_they_have_one() -> None:
    matches = [{"path": {"type": "Exact", "value": "/"}}]
    first, second = route(rules=[{"matches": matches}, {"backendRefs": []}])["rules"]

    assert first == {"matches": matches, "backendRefs": [{"name": "rel-k6-cloud-exporter", "port": 10565}]}
    assert second == {"backendRefs": []}


def test_route_backend_is_the_port_of_the_service() -> None:
    values = with_secret(
        config=WEBHOOK,
        service={"port": 80},
        httpRoute={"enabled": True, "parentRefs": [{"name": "public"}]},
    )

    [rule] = one("HTTPRoute", values)["spec"]["rules"]
    assert rule["backendRefs"][0]["port"] == one("Service", values)["spec"]["ports"][0]["port"] == 80
