import socket

from tests.ports import free_port, free_ports


def test_no_port_is_given_twice_and_none_that_a_connection_may_take() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    assert max(ports) < 32_768


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", free_port() + 1)) as taken:
        assert free_port() != taken.getsockname()[1]


def test_ports_beside_each_other_are_all_free() -> None:
    first = free_ports(5)
    for port in range(first, first + 5):
        socket.create_server(("127.0.0.1", port)).close()
