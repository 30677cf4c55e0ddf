"""A rotation of keys: moto's Secrets Manager and DynamoDB, and the sandbox over HTTP, which checks every signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from incentives.aws.keys.key_versions import SecretsManagerVersions
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.domain.keys.rotation import Outcome
from incentives.domain.rate_limit import Frozen, Priority
from tests.aws.rotating import NEW_SECRET, OLD_SECRET, PREFIX, WHOLE_WATCH, Aws, Scene, ready

MINUTE = timedelta(minutes=1)


# ---- a rotation that goes well ------------------------------------------------------------------


def test_warm_functions_take_the_new_key_by_themselves_within_five_minutes(scene: Scene) -> None:
    ready(scene)
    promoted_at = scene.at
    used: list[tuple[timedelta, str]] = []

    def meanwhile() -> None:
        scene.traffic()
        keys = [dependencies.accounts.get(scene.name).access_key_id for dependencies in scene.functions]
        used.extend((scene.at - promoted_at, key) for key in keys)

    scene.clock.meanwhile = meanwhile
    scene.rotate(watch_for=WHOLE_WATCH)
    assert {key for after, key in used if after < 4 * MINUTE} == {scene.old}
    assert {key for after, key in used if after > 6 * MINUTE} == {scene.new}
    assert scene.failures() == []


def test_the_old_key_may_go_twenty_minutes_after_its_last_use(scene: Scene) -> None:
    ready(scene)
    scene.clock.meanwhile = scene.traffic
    promoted_at = scene.at
    report = scene.rotate(watch_for=WHOLE_WATCH)
    assert report.last_used_at is not None
    assert report.safe_at == report.last_used_at + 20 * MINUTE
    # it was used until the functions read the secret anew, and not after
    assert 4 * MINUTE < report.last_used_at - promoted_at < 6 * MINUTE
    assert f"The old key ...{scene.old[-4:]} was last used at" in report.detail
    # asked again, it says the same, and once the time has come, that it has
    assert scene.rotate() == report
    scene.clock.time = report.safe_at
    assert "You may deactivate it now" in scene.rotate().detail
    # and a process that nobody knew of moves it on
    stray = scene.process()
    stray.accounts.get(scene.name)
    stray.accounts._cache[scene.name] = (scene.at, _old_account(scene))
    scene.functions = [stray]
    scene.traffic()
    assert scene.rotate().last_used_at == scene.at


def _old_account(scene: Scene) -> Any:
    versions = scene.aws.secrets.describe_secret(SecretId=scene.secret_id)["VersionIdsToStages"]
    (previous,) = [version for version, labels in versions.items() if "AWSPREVIOUS" in labels]
    return SecretsManagerVersions(lambda: scene.aws.secrets, PREFIX).read(scene.name, previous)


def test_a_key_that_nobody_uses_may_go_twenty_minutes_after_the_promotion(aws: Aws) -> None:
    scene = Scene(aws, warm_functions=0)
    scene.create_key()
    scene.put_pending()
    promoted_at = scene.at
    report = scene.rotate()
    assert (report.last_used_at, report.safe_at) == (None, promoted_at + 20 * MINUTE)


def test_the_key_of_a_frozen_account_can_be_replaced(scene: Scene) -> None:
    ready(scene)
    scene.process().rate_limiter.freeze(scene.name, frozen=True, version=1)
    assert scene.rotate().outcome is Outcome.KEPT
    assert scene.labels()["AWSCURRENT"] == scene.new
    # and it is frozen as before
    assert scene.process().rate_limiter.reserve(scene.name, Priority.CALLER, never_sent=True) == Frozen()


def test_programs_hear_of_each_stage(scene: Scene) -> None:
    ready(scene).rotate()
    assert [(event.type, event.detail["stage"]) for event in scene.bus.events] == [
        ("AccessKeyRotation", "promoted"),
        ("AccessKeyRotation", "kept"),
    ]
    assert len({event.event_id for event in scene.bus.events}) == 2


def test_without_a_pending_key_nothing_is_done(scene: Scene) -> None:
    report = scene.rotate()
    assert report.outcome is Outcome.NOTHING_TO_DO
    assert "make put-keys PENDING=1" in report.detail
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_secret_that_is_put_again_with_the_same_key_makes_no_old_key_of_it(scene: Scene) -> None:
    # given a secret of which something else was put right, so that both its versions hold the key in use
    scene.aws.secrets.put_secret_value(SecretId=scene.secret_id, SecretString=scene.secret(scene.old, OLD_SECRET))
    assert scene.labels() == {"AWSCURRENT": scene.old, "AWSPREVIOUS": scene.old}
    report = scene.rotate()
    # then nobody is told that it may be deactivated
    assert (report.outcome, report.safe_at, report.old_key) == (Outcome.NOTHING_TO_DO, None, None)
    assert "deactivate" not in report.detail


def test_a_key_that_was_made_current_by_hand_is_watched_all_the_same(scene: Scene) -> None:
    # given an operator who moves the label without the proof, and without any record of a rotation
    ready(scene)
    versions = scene.versions()
    scene.aws.secrets.update_secret_version_stage(
        SecretId=scene.secret_id,
        VersionStage="AWSCURRENT",
        MoveToVersionId=versions["AWSPENDING"],
        RemoveFromVersionId=versions["AWSCURRENT"],
    )
    changed_at = scene.aws.secrets.describe_secret(SecretId=scene.secret_id)["LastChangedDate"]
    scene.functions = []
    # when
    report = scene.rotate()
    # then the key has been on trial, and the old one may go twenty minutes after the secret was last changed
    assert report.outcome is Outcome.KEPT
    assert {facts["outcome"] for line, facts in scene.w.telemetry.lines if line == "keyProof"} == {"good"}
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}
    assert report.safe_at is not None
    assert abs(report.safe_at - changed_at - 20 * MINUTE) < MINUTE


def test_a_first_key_that_is_labelled_as_pending_too_is_in_use_and_on_no_trial(scene: Scene) -> None:
    # given a secret whose only version has both labels: there is no key to go back to
    version = scene.versions()["AWSCURRENT"]
    scene.aws.secrets.update_secret_version_stage(
        SecretId=scene.secret_id, VersionStage="AWSPENDING", MoveToVersionId=version
    )
    report = scene.rotate()
    assert (report.outcome, report.safe_at) == (Outcome.NOTHING_TO_DO, None)
    assert scene.labels() == {"AWSCURRENT": scene.old}
    # so that the next key is not taken for one that is on trial already
    scene.create_key()
    scene.put_pending()
    assert scene.rotate().outcome is Outcome.KEPT


@pytest.mark.parametrize("name", ["", "../other", "UPPER"])
def test_what_can_be_no_accounts_name_is_refused(scene: Scene, name: str) -> None:
    scene.name = name
    with pytest.raises(InvalidInput):
        scene.rotate()


def test_an_account_without_a_secret_is_named(scene: Scene) -> None:
    scene.name = "nobody"
    with pytest.raises(AccountUnusable, match="'nobody' has no secret"):
        scene.rotate()


# ---- a key that is not promoted -----------------------------------------------------------------


def refused(scene: Scene) -> str:
    """Rotate, and see that nothing was promoted; returns what was said."""
    scene.traffic()
    report = scene.rotate()
    assert report.outcome is Outcome.REFUSED
    assert "Nothing was promoted" in report.detail
    assert scene.labels()["AWSCURRENT"] == scene.old
    scene.traffic()
    assert scene.failures() == []
    assert NEW_SECRET not in report.detail
    assert scene.bus.events == []
    return report.detail


def test_a_key_put_right_is_promoted_the_next_time(scene: Scene) -> None:
    scene.put_pending(scene.secret(scene.new, "a-slip-of-the-pen"))
    scene.create_key()
    refused(scene)
    scene.put_pending()
    assert scene.rotate().outcome is Outcome.KEPT


def test_a_moment_without_responses_does_not_stop_the_proof(scene: Scene) -> None:
    ready(scene).fault("error500html", calls={"first": 3})
    assert scene.rotate().outcome is Outcome.KEPT


def test_nothing_is_promoted_while_amazon_does_not_answer(scene: Scene) -> None:
    ready(scene).fault("error500html")
    try:
        report = scene.rotate()
    finally:
        scene.clear_faults()
    assert report.outcome is Outcome.UNPROVEN
    assert scene.labels() == {"AWSCURRENT": scene.old, "AWSPENDING": scene.new}
    # and it goes on the next time
    assert scene.rotate().outcome is Outcome.KEPT


def in_use(scene: Scene) -> str:
    return scene.secret(scene.old, OLD_SECRET)


def wrong(**updates: Any) -> Callable[[Scene], str]:
    return lambda scene: scene.secret(scene.new, NEW_SECRET, **updates)


@pytest.mark.parametrize(
    ("at_amazon", "pending", "named"),
    [
        (None, wrong(), "(UnrecognizedClientException)"),
        ("another-secret-at-amazon", wrong(), "(InvalidSignatureException)"),
        # refused before Amazon is asked
        (NEW_SECRET, wrong(partnerId="Other"), "partnerId is another"),
        (NEW_SECRET, wrong(marketplace="UK"), "marketplace is another"),
        (NEW_SECRET, wrong(keyCreatedAt=None), "keyCreatedAt is missing"),
        (NEW_SECRET, wrong(keyCreatedAt="2025-12-31T00:00:00Z"), "keyCreatedAt is before"),
        (NEW_SECRET, wrong(keyCreatedAt="soon"), "keyCreatedAt is no RFC 3339 time"),
        (NEW_SECRET, wrong(secretAccessKey=None), "without secretAccessKey"),
        (NEW_SECRET, wrong(accessKeyId="AKID\n"), "accessKeyId holds a blank"),
        (NEW_SECRET, in_use, "accessKeyId is that of the key in use"),
    ],
)
def test_a_pending_key_that_is_wrong_is_not_promoted(
    scene: Scene, at_amazon: str | None, pending: Callable[[Scene], str], named: str
) -> None:
    if at_amazon:
        scene.create_key(secret=at_amazon)
    scene.put_pending(pending(scene))
    assert named in refused(scene)
    assert ("keyProof", "good") not in [(line, facts.get("outcome")) for line, facts in scene.w.telemetry.lines]


def test_a_pending_version_that_is_no_secret_is_not_promoted(scene: Scene) -> None:
    scene.put_pending("no JSON")
    report = scene.rotate()
    assert report.outcome is Outcome.REFUSED
    assert "no JSON document" in report.detail
