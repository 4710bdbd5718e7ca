"""How clients reach a simulated k6 Cloud: what the commands print at their start."""

from collections.abc import Iterator, Sequence

from exporter.simulator.options import V6Options


def describe_access(
    url: str,
    tokens: Sequence[str],
    project_id: int,
    options: V6Options = V6Options(),  # noqa: B008  frozen
) -> Iterator[str]:
    """Lines with the URL, the tokens, the stack, and the environment variables of each client."""
    token, stack = tokens[0], options.stack_id
    yield f"Simulated k6 Cloud: {url}"
    yield f"Tokens:             {', '.join(tokens)}"
    yield f"Stack:              {stack}, {options.stack_url}"
    yield (
        f"For k6:             K6_CLOUD_HOST_V6={url} K6_CLOUD_TOKEN={token} K6_CLOUD_STACK_ID={stack} "
        f"K6_CLOUD_PROJECT_ID={project_id}"
    )
    yield f"For Terraform:      GRAFANA_K6_URL={url} GRAFANA_K6_ACCESS_TOKEN={token} GRAFANA_STACK_ID={stack}"
    yield f"For gcx:            GRAFANA_PROVIDER_K6_API_DOMAIN={url} GRAFANA_TOKEN={token}"
