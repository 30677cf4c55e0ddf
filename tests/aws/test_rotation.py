"""A rotation of keys: moto's Secrets Manager and DynamoDB, and the sandbox over HTTP, which checks every signature."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from incentives.aws.key_versions import SecretsManagerVersions
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.domain.ledger import Status
from incentives.domain.outcomes import Unknown, UnknownBecause
from incentives.domain.rotation import Outcome
from incentives.usecases.key_trial import LOOK_EVERY_SECONDS
from tests.aws.rotating import (
    NEW_SECRET,
    OLD_SECRET,
    PREFIX,
    SHORT_WATCH,
    WHOLE_WATCH,
    Aws,
    Died,
    Life,
    Scene,
    aws_and_amazon,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_and_amazon() as made:
        yield made


@pytest.fixture
def scene(aws: Aws) -> Scene:
    return Scene(aws)


def ready(scene: Scene) -> Scene:
    """A new key made at Amazon and put as pending, and functions that are warm with the old one."""
    scene.create_key()
    scene.put_pending()
    scene.traffic()
    return scene


# ---- a rotation that goes well ------------------------------------------------------------------


def test_no_order_fails_while_the_key_is_rotated_and_the_old_one_revoked(scene: Scene) -> None:
    # given functions that go on issuing, and an old key that is revoked as soon as the new one is promoted
    ready(scene)

    def meanwhile() -> None:
        if scene.labels()["AWSCURRENT"] == scene.new and scene.old in scene.keys_at_amazon:
            scene.deactivate(scene.old)
        scene.traffic()

    scene.clock.meanwhile = meanwhile
    # when
    report = scene.rotate(watch_for=WHOLE_WATCH)
    # then the new key is in use, its trial is over, and no order has noticed
    assert report.outcome is Outcome.KEPT
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}
    assert list(scene.keys_at_amazon) == [scene.new]
    assert len(scene.issued) > 50
    assert scene.failures() == []
    assert scene.fates() == {Status.SUCCEEDED}
    # and neither secret is in anything that was said or kept
    for text in (scene.said(), repr(report)):
        assert OLD_SECRET not in text
        assert NEW_SECRET not in text


def test_warm_functions_take_the_new_key_by_themselves_within_five_minutes(scene: Scene) -> None:
    ready(scene)
    promoted_at = scene.at
    used: list[tuple[timedelta, str]] = []

    def meanwhile() -> None:
        scene.traffic()
        keys = [tools.accounts.get(scene.name).access_key_id for tools in scene.functions]
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


def test_a_key_that_amazon_does_not_know_is_not_promoted(scene: Scene) -> None:
    scene.put_pending()
    assert f"...{scene.new[-4:]} (UnrecognizedClientException)" in refused(scene)


def test_a_key_with_another_secret_is_not_promoted(scene: Scene) -> None:
    scene.create_key(secret="another-secret-at-amazon")
    scene.put_pending()
    assert "(InvalidSignatureException)" in refused(scene)


@pytest.mark.parametrize(
    ("updates", "named"),
    [
        ({"partnerId": "Other"}, "partnerId is another"),
        ({"marketplace": "UK"}, "marketplace is another"),
        ({"keyCreatedAt": None}, "keyCreatedAt is missing"),
        ({"keyCreatedAt": "2025-12-31T00:00:00Z"}, "keyCreatedAt is before"),
        ({"keyCreatedAt": "soon"}, "keyCreatedAt is no RFC 3339 time"),
        ({"secretAccessKey": None}, "without secretAccessKey"),
        ({"accessKeyId": "AKID\n"}, "accessKeyId holds blanks"),
    ],
)
def test_a_pending_secret_that_is_wrong_is_refused_by_the_member(
    scene: Scene, updates: dict[str, Any], named: str
) -> None:
    scene.create_key()
    scene.put_pending(scene.secret(scene.new, NEW_SECRET, **updates))
    # refused before Amazon is asked
    assert named in refused(scene)
    assert ("keyProof", "good") not in [(line, facts.get("outcome")) for line, facts in scene.w.telemetry.lines]


def test_the_key_in_use_is_no_new_key(scene: Scene) -> None:
    scene.put_pending(scene.secret(scene.old, OLD_SECRET))
    assert "accessKeyId is that of the key in use" in refused(scene)


def test_a_pending_version_that_is_no_secret_is_refused(scene: Scene) -> None:
    scene.put_pending("no JSON")
    scene.traffic()
    report = scene.rotate()
    assert report.outcome is Outcome.REFUSED
    assert "no JSON document" in report.detail


def test_a_key_put_right_is_promoted_the_next_time(scene: Scene) -> None:
    scene.put_pending(scene.secret(scene.new, "a-slip-of-the-pen"))
    scene.create_key()
    refused(scene)

    scene.put_pending()

    assert scene.rotate().outcome is Outcome.KEPT


def test_a_moment_without_answers_does_not_stop_the_proof(scene: Scene) -> None:
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


# ---- a key that goes bad ------------------------------------------------------------------------


def goes_bad(scene: Scene, *, after_seconds: float = 25.0) -> None:
    """Amazon drops the new key a while after its promotion, while functions go on issuing."""
    bad_at = scene.at + timedelta(seconds=after_seconds)

    def meanwhile() -> None:
        if scene.at >= bad_at and scene.new in scene.keys_at_amazon:
            scene.deactivate(scene.new)
        scene.traffic()

    scene.clock.meanwhile = meanwhile


def test_a_key_that_goes_bad_is_rolled_back_within_a_minute_and_no_order_is_lost(scene: Scene) -> None:
    # given a key that goes bad once the functions use it
    ready(scene)
    for tools in scene.functions:
        tools.accounts._cache.clear()
    goes_bad(scene)
    began_at = scene.at
    # when
    report = scene.rotate(watch_for=WHOLE_WATCH)
    # then the old key is back within a minute of that
    assert report.outcome is Outcome.ROLLED_BACK
    assert scene.at - began_at < timedelta(seconds=25) + MINUTE
    assert scene.labels() == {"AWSCURRENT": scene.old}
    # people and programs know
    ((subject, text),) = scene.w.people.notices
    assert "rolled back" in subject
    assert f"...{scene.old[-4:]} is in use again: do not deactivate it" in text
    assert [event.detail["stage"] for event in scene.bus.events] == ["promoted", "rolledBack"]
    # and every order ends as it should
    scene.drain()
    scene.traffic()
    assert scene.failures() == []
    assert scene.fates() == {Status.SUCCEEDED}
    assert NEW_SECRET not in scene.said()
    # asked again, it says what happened
    assert "rolled back at" in scene.rotate().detail


def test_a_refusal_that_only_a_function_meets_rolls_back_too(scene: Scene) -> None:
    # given a new key that Amazon takes from us
    ready(scene)

    def meanwhile() -> None:
        # when it refuses it to a function
        tools = scene.functions[0]
        tools.accounts.get(scene.name, fresh=True)
        tools.accounts.refused(scene.name)

    scene.clock.meanwhile = meanwhile
    report = scene.rotate()

    assert report.outcome is Outcome.ROLLED_BACK
    assert "a function met a refusal" in report.detail
    assert scene.labels()["AWSCURRENT"] == scene.old


def test_refusals_of_the_old_key_roll_nothing_back(scene: Scene) -> None:
    ready(scene)
    scene.deactivate(scene.old)
    scene.clock.meanwhile = scene.traffic

    assert scene.rotate().outcome is Outcome.KEPT
    assert any(line == "keyRefused" for line, _ in scene.w.telemetry.lines)
    assert scene.failures() == []


def test_a_refusal_from_an_earlier_trial_of_the_same_key_is_forgotten(scene: Scene) -> None:
    # given a key that was rolled back because a function met a refusal
    test_a_refusal_that_only_a_function_meets_rolls_back_too(scene)
    scene.clock.meanwhile = lambda: None
    scene.clock.sleep(60)
    # when it is put once more
    scene.put_pending()
    # then that refusal does not count again
    assert scene.rotate().outcome is Outcome.KEPT


def test_there_is_no_way_back_to_a_key_that_is_refused_as_well(scene: Scene) -> None:
    ready(scene)

    def meanwhile() -> None:
        for key in list(scene.keys_at_amazon):
            scene.deactivate(key)

    scene.clock.meanwhile = meanwhile
    report = scene.rotate()
    # the labels stay, and people are told once
    assert report.outcome is Outcome.BOTH_REFUSED
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPENDING": scene.new, "AWSPREVIOUS": scene.old}
    assert len(scene.w.people.notices) == 1
    # an order waits for a key instead of being refused for want of one
    scene.traffic()
    assert scene.failures() == []
    # when the new key is good again
    scene.clock.meanwhile = lambda: None
    scene.create_key()
    # then the trial ends well, and so does the order
    assert scene.rotate().outcome is Outcome.KEPT
    scene.drain()
    assert scene.fates() == {Status.SUCCEEDED}


def test_what_a_function_met_does_not_count_against_the_only_key_there_is(scene: Scene) -> None:
    ready(scene)

    def meanwhile() -> None:
        scene.clock.meanwhile = lambda: None
        scene.deactivate(scene.old)
        tools = scene.functions[0]
        tools.accounts.get(scene.name, fresh=True)
        tools.accounts.refused(scene.name)

    scene.clock.meanwhile = meanwhile

    assert scene.rotate().outcome is Outcome.KEPT
    assert scene.labels()["AWSCURRENT"] == scene.new
    # and the old key is not asked for at every look
    proofs = [facts["outcome"] for line, facts in scene.w.telemetry.lines if line == "keyProof"]
    assert proofs.count("refused") == 1


def test_a_trial_without_an_answer_is_not_over(scene: Scene) -> None:
    ready(scene)

    class Mute:
        """Takes the proof before the promotion, and then says nothing."""

        def __init__(self) -> None:
            self.asked = 0
            self.amazon = scene.functions[0].amazon

        def funds(self, account: Any, *, seconds: float) -> Any:
            self.asked += 1
            mute = Unknown(UnknownBecause.TIMED_OUT)
            return self.amazon.funds(account, seconds=seconds) if self.asked == 1 else mute

    report = scene.rotate(amazon=Mute())

    assert report.outcome is Outcome.UNPROVEN
    assert scene.labels()["AWSPENDING"] == scene.new
    assert scene.rotate().outcome is Outcome.KEPT


# ---- others at the same time, and crashes -------------------------------------------------------


def test_two_invocations_at_once_do_no_more_than_one(scene: Scene) -> None:
    ready(scene)
    others: list[Outcome] = []

    def meanwhile() -> None:
        if not others:
            others.append(scene.rotate(watch_for=30).outcome)

    scene.clock.meanwhile = meanwhile
    first = scene.rotate(watch_for=60)

    assert [first.outcome, *others] == [Outcome.KEPT, Outcome.KEPT]
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}


def test_a_key_that_another_invocation_promotes_first_is_watched_by_both(scene: Scene) -> None:
    ready(scene)

    class Overtaking:
        """While the pending key is proven, another invocation promotes it, and dies in its first look."""

        def __init__(self, name: str) -> None:
            self.name = name
            self.amazon = scene.functions[0].amazon
            self.asked = 0

        def funds(self, account: Any, *, seconds: float) -> Any:
            self.asked += 1
            if self.name == "first" and self.asked == 1:
                with pytest.raises(Died):
                    scene.rotate(amazon=Overtaking("second"))
            elif self.name == "second" and self.asked > 1:
                raise Died
            return self.amazon.funds(account, seconds=seconds)

    first = Overtaking("first")

    assert scene.rotate(amazon=first).outcome is Outcome.KEPT
    assert first.asked > 1
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}
    assert [line for line, _ in scene.w.telemetry.lines].count("keyPromoted") == 1


def test_a_rollback_that_another_invocation_has_done_is_told_as_one(scene: Scene) -> None:
    ready(scene)
    others: list[Outcome] = []

    def meanwhile() -> None:
        if not others:
            scene.deactivate(scene.new)
            others.append(scene.rotate().outcome)

    scene.clock.meanwhile = meanwhile

    assert [scene.rotate().outcome, *others] == [Outcome.ROLLED_BACK] * 2
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_in_the_last_pause_of_a_watch_is_found_by_one_more_look(scene: Scene) -> None:
    # given another invocation that meets a refusal just before this one's last look, and a key that is good again
    ready(scene)
    ends_at = scene.clock.now() + timedelta(seconds=SHORT_WATCH)

    def meanwhile() -> None:
        if scene.clock.now() >= ends_at:
            scene.clock.meanwhile = lambda: None
            scene.deactivate(scene.new)
            scene.rotate()
            scene.create_key()

    scene.clock.meanwhile = meanwhile
    # when
    report = scene.rotate(watch_for=SHORT_WATCH)
    # then nobody is told that the old key, which is in use again, may be deactivated
    assert report.outcome is Outcome.ROLLED_BACK
    assert report.safe_at is None
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_in_the_last_look_whose_answer_is_lost_is_looked_for_once_more(scene: Scene) -> None:
    # given a new key that is refused at the last look, and a label that is moved without anybody hearing of it
    ready(scene)
    ends_at = scene.clock.now() + timedelta(seconds=SHORT_WATCH)

    def meanwhile() -> None:
        if scene.clock.now() >= ends_at:
            scene.deactivate(scene.new)

    scene.clock.meanwhile = meanwhile
    # when
    report = scene.rotate(life=Life(deaf_at=("update_secret_version_stage", 2)), watch_for=SHORT_WATCH)
    # then the new key is not taken for kept
    assert report.outcome is Outcome.ROLLED_BACK
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_right_after_the_last_look_is_not_told_as_a_key_that_stays(scene: Scene) -> None:
    # given another invocation that meets a refusal after this one's last proof
    ready(scene)
    ends_at = scene.clock.now() + timedelta(seconds=SHORT_WATCH)

    class AnswersAndGoesOn:
        """Amazon, which has answered when the other one comes."""

        def __init__(self) -> None:
            self.amazon = scene.functions[0].amazon
            self.others: list[Outcome] = []

        def funds(self, account: Any, *, seconds: float) -> Any:
            answer = self.amazon.funds(account, seconds=seconds)
            if scene.clock.now() >= ends_at and not self.others:
                scene.deactivate(scene.new)
                self.others.append(scene.rotate().outcome)
                scene.create_key()
            return answer

    amazon = AnswersAndGoesOn()
    # when
    report = scene.rotate(amazon=amazon, watch_for=SHORT_WATCH)
    # then
    assert amazon.others == [Outcome.ROLLED_BACK]
    assert (report.outcome, report.safe_at) == (Outcome.OVERTAKEN, None)
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_whose_answer_is_lost_is_found_at_the_next_looks(scene: Scene) -> None:
    # given a label that is moved without anybody hearing of it
    ready(scene)
    scene.clock.meanwhile = lambda: scene.deactivate(scene.new)
    life = Life(deaf_at=("update_secret_version_stage", 2))

    report = scene.rotate(life=life)

    assert report.outcome is Outcome.ROLLED_BACK
    assert "(UnrecognizedClientException)" in report.detail
    assert scene.labels() == {"AWSCURRENT": scene.old}
    assert len(scene.w.people.notices) == 1


def test_a_promotion_whose_answer_is_lost_goes_on_with_the_next_invocation(scene: Scene) -> None:
    ready(scene)

    with pytest.raises(AccountUnusable, match="labels cannot be moved"):
        scene.rotate(life=Life(deaf_at=("update_secret_version_stage", 1)))

    assert scene.labels()["AWSCURRENT"] == scene.new
    assert scene.rotate().outcome is Outcome.KEPT


def test_a_watch_whose_key_somebody_else_has_replaced_ends(scene: Scene) -> None:
    ready(scene)
    third = scene.secret("THIRDKEY", "not-the-third-secret", created="2026-02-28T00:00:00Z")

    def meanwhile() -> None:
        scene.clock.meanwhile = lambda: None
        scene.aws.secrets.put_secret_value(SecretId=scene.secret_id, SecretString=third)

    scene.clock.meanwhile = meanwhile
    report = scene.rotate()

    assert report.outcome is Outcome.OVERTAKEN
    assert scene.labels()["AWSCURRENT"] == "THIRDKEY"
    assert "AWSPENDING" not in scene.labels()


def crashes(aws: Aws, *, goes_bad_after: float | None) -> Iterator[tuple[Scene, str]]:
    """A scene for each call to AWS before which the process that rotates dies; before the next is after this one."""

    def scene_for(life: Life) -> Scene:
        scene = Scene(aws, warm_functions=1)
        ready(scene)
        if goes_bad_after is not None:
            goes_bad(scene, after_seconds=goes_bad_after)
        try:
            scene.rotate(life=life, watch_for=LOOK_EVERY_SECONDS)
        except Died:
            assert life.calls == life.dies_at
        scene.clock.meanwhile = lambda: None
        return scene

    whole = Life()
    scene_for(whole)
    assert whole.calls > 15
    for dies_at in range(1, whole.calls + 1):
        yield scene_for(Life(dies_at)), f"it died at call {dies_at} of {whole.calls}"


def test_a_rotation_whose_process_dies_anywhere_is_finished_by_the_next(aws: Aws) -> None:
    for scene, where in crashes(aws, goes_bad_after=None):
        # whatever is current is a key that works
        scene.traffic()
        assert scene.failures() == [], where
        assert scene.rotate(watch_for=LOOK_EVERY_SECONDS).outcome is Outcome.KEPT, where
        assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}, where
        assert scene.fates() == {Status.SUCCEEDED}, where


def test_a_bad_key_does_not_stay_wherever_the_process_dies(aws: Aws) -> None:
    for scene, where in crashes(aws, goes_bad_after=LOOK_EVERY_SECONDS):
        if scene.new in scene.keys_at_amazon:
            scene.deactivate(scene.new)
        report = scene.rotate(watch_for=LOOK_EVERY_SECONDS)
        assert report.outcome in {Outcome.REFUSED, Outcome.ROLLED_BACK, Outcome.NOTHING_TO_DO}, where
        assert scene.labels()["AWSCURRENT"] == scene.old, where
        scene.clock.sleep(60)
        scene.traffic()
        scene.drain()
        assert scene.failures() == [], where
        assert scene.fates() == {Status.SUCCEEDED}, where
