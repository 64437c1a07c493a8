"""Directories are listed, made and dropped, and a key sees and changes those that are its own."""

import httpx
import pytest

from pxt_flight.errors import PxtFlightError


def test_directories_are_made_and_listed(call, pxt, place):
    assert call("create_dir", path=f"{place}.A") == {"path": f"{place}/a", "changed": True, "version": None}
    call("create_dir", path=f"{place}/b/c/d", parents=True)
    assert sorted(pxt.list_dirs(place)) == [f"{place}/{name}" for name in ("a", "b", "b/c", "b/c/d")]
    assert call("list_dirs", dir_path=place) == sorted(pxt.list_dirs(place))
    assert call("list_dirs", dir_path=place, recursive=False) == sorted(pxt.list_dirs(place, recursive=False))
    assert set(pxt.list_dirs()) - set(call("list_dirs")) <= {"pxt_flight_staging"}
    assert call("list_dirs", dir_path="/") == call("list_dirs")
    pxt.create_table(f"{place}/b/t", {"a": pxt.Int})
    own = pxt.get_dir_contents(place)
    assert call("get_dir_contents", path=place) == {"path": place, "directories": own["dirs"], "tables": own["tables"]}
    own = pxt.get_dir_contents(place, recursive=False)
    assert call("get_dir_contents", path=place, recursive=False) == {"path": place, "directories": own["dirs"], "tables": own["tables"]}


def test_what_is_no_directory(call, pxt, place):
    pxt.create_table(f"{place}/t", {"a": pxt.Int})
    call("create_dir", path=f"{place}/a")
    for name, arguments, code in (
        ("create_dir", {"path": f"{place}/a"}, "PATH_ALREADY_EXISTS"),
        ("create_dir", {"path": f"{place}/t"}, "PATH_ALREADY_EXISTS"),
        ("create_dir", {"path": f"{place}/t", "if_exists": "ignore"}, "PATH_ALREADY_EXISTS"),
        ("create_dir", {"path": f"{place}/t/u", "parents": True}, "PATH_ALREADY_EXISTS"),
        ("create_dir", {"path": f"{place}/x/y"}, "DIRECTORY_NOT_FOUND"),
        ("create_dir", {"path": f"{place}/1"}, "INVALID_PATH"),
        ("create_dir", {"path": f"{place}/a:1"}, "INVALID_PATH"),
        ("create_dir", {"path": "/"}, "INVALID_PATH"),
        ("create_dir", {"path": "pxt_flight_staging/a"}, "DIRECTORY_NOT_FOUND"),
        ("list_dirs", {"dir_path": f"{place}/none"}, "DIRECTORY_NOT_FOUND"),
        ("list_dirs", {"dir_path": f"{place}/t"}, "DIRECTORY_NOT_FOUND"),
        ("get_dir_contents", {"path": f"{place}/none"}, "DIRECTORY_NOT_FOUND"),
        ("get_dir_contents", {"path": "pxt_flight_staging"}, "DIRECTORY_NOT_FOUND"),
        ("drop_dir", {"path": f"{place}/none"}, "DIRECTORY_NOT_FOUND"),
        ("drop_dir", {"path": f"{place}/t"}, "DIRECTORY_NOT_FOUND"),
        ("drop_dir", {"path": "pxt_flight_staging", "force": True}, "DIRECTORY_NOT_FOUND"),
        ("drop_dir", {"path": "/", "force": True}, "INVALID_PATH"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call(name, **arguments)
        assert caught.value.code == code, (name, arguments)
    assert call("create_dir", path=f"{place}/a", if_exists="ignore")["changed"] is False
    assert call("drop_dir", path=f"{place}/none", if_missing="ignore")["changed"] is False
    assert pxt.get_dir_contents(place) == {"dirs": [f"{place}/a"], "tables": [f"{place}/t"]}


def test_a_directory_is_dropped_with_what_is_in_it(call, pxt, place):
    pxt.create_dir(f"{place}/a/b", parents=True)
    table = pxt.create_table(f"{place}/a/b/t", {"a": pxt.Int})
    pxt.create_view(f"{place}/v", table)
    with pytest.raises(PxtFlightError, match="CONSTRAINT_VIOLATION"):
        call("drop_dir", path=f"{place}/a")
    assert sorted(pxt.list_tables(place)) == [f"{place}/a/b/t", f"{place}/v"]
    assert call("drop_dir", path=f"{place}/a", force=True)["changed"] is True
    assert pxt.get_dir_contents(place) == {"dirs": [], "tables": []}
    call("create_dir", path=f"{place}/a")
    assert call("drop_dir", path=f"{place}/a")["changed"] is True


def test_the_paths_of_rest(server, pxt, place):
    with httpx.Client(base_url=server.http_url, headers={"X-API-Key": server.key}, timeout=60) as client:
        assert client.post("/api/v1/dirs", json={"path": f"{place}.a"}).status_code == 201
        assert f"{place}/a" in client.get("/api/v1/dirs").json()
        assert client.get("/api/v1/dirs", params={"dir_path": place, "recursive": "false"}).json() == [f"{place}/a"]
        assert client.get(f"/api/v1/dirs/{place}").json() == {"path": place, "directories": [f"{place}/a"], "tables": []}
        assert client.delete(f"/api/v1/dirs/{place}.a", params={"force": "true"}).json()["changed"] is True
        assert client.delete(f"/api/v1/dirs/{place}.a").status_code == 404


def test_a_key_for_some_tables(as_key, pxt, place):
    mine = as_key("read", "schema", tables=(f"{place}/mine/*", f"{place}/far/?"))
    pxt.create_dir(f"{place}/mine/empty", parents=True)
    pxt.create_dir(f"{place}/far/x", parents=True)
    pxt.create_dir(f"{place}/other")
    base = pxt.create_table(f"{place}/far/t", {"a": pxt.Int})
    pxt.create_table(f"{place}/other/t", {"a": pxt.Int})
    assert mine("list_dirs", dir_path=place) == [f"{place}/far", f"{place}/mine", f"{place}/mine/empty"]
    assert mine("get_dir_contents", path=place)["tables"] == [f"{place}/far/t"]
    for name, arguments in (
        ("get_dir_contents", {"path": f"{place}/other"}),
        ("create_dir", {"path": f"{place}/new"}),
        ("create_dir", {"path": f"{place}/other"}),
        ("create_dir", {"path": f"{place}/far/y"}),
        ("drop_dir", {"path": f"{place}/far/x"}),
        ("drop_dir", {"path": f"{place}/other"}),
        ("drop_dir", {"path": f"{place}/other", "if_missing": "ignore"}),
        ("drop_dir", {"path": place, "force": True}),
    ):
        with pytest.raises(PxtFlightError, match="DIRECTORY_NOT_FOUND"):
            mine(name, **arguments)
    mine("create_dir", path=f"{place}/mine/a/b", parents=True)
    view = pxt.create_table(f"{place}/mine/a/t", {"a": pxt.Int})
    pxt.create_view(f"{place}/other/unseen", view)
    with pytest.raises(PxtFlightError) as caught:
        mine("drop_dir", path=f"{place}/mine/a", force=True)
    assert caught.value.code == "CONSTRAINT_VIOLATION"
    assert "unseen" not in str(caught.value) + str(caught.value.where)
    pxt.drop_table(f"{place}/other/unseen")
    mine("drop_dir", path=f"{place}/mine/a", force=True)
    assert sorted(pxt.list_dirs(place)) == [f"{place}/{name}" for name in ("far", "far/x", "mine", "mine/empty", "other")]
    assert base.count() == 0
    with pytest.raises(PxtFlightError, match="permission_denied"):
        as_key("read", "write")("create_dir", path=f"{place}/new")


def test_what_a_grant_covers():
    from pxt_flight.access.principals import Principal

    def covers(pattern, directory):
        return Principal("k", "k", frozenset(), (pattern,)).covers(directory)

    assert covers("*", "")
    assert covers("*", "a/b")
    assert covers("a/*", "a")
    assert covers("a*", "a")
    assert covers("a/*", "a/b")
    assert not covers("a/*", "")
    assert not covers("a/*", "b")
    assert not covers("a/?", "a")
    assert not covers("a/[*]", "a")
    assert not covers("a/t*", "a")
    assert not covers("*t", "a")
