"""Sequences that are taken every time: every row of the transition table, and what was thought up.

Each is a test by itself of what its name says; after every step all that must hold is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.proof import (
    model_walks_erp,
    model_walks_ledger,
    model_walks_policies,
    model_walks_sending,
)

if TYPE_CHECKING:
    from tests.proof.model_world import World


def walk(new_world: Callable[[], World], taken: Callable[[World], None]) -> None:
    """Take one sequence in a world of its own, to its rest."""
    world = new_world()
    try:
        taken(world)
        world.come_to_rest()
    finally:
        world.close()


WALKS: tuple[Callable[[World], None], ...] = (
    model_walks_ledger.an_identity_from_before_a_released_claim,
    model_walks_erp.corrections_in_the_erp,
    model_walks_erp.refused_and_mended,
    model_walks_erp.refused_and_retried,
    model_walks_erp.refused_mended_and_held,
    model_walks_erp.moved_to_another_day,
    model_walks_erp.moved_back_by_a_day_within_one_run,
    model_walks_erp.moved_while_reopened,
    model_walks_erp.moved_while_held,
    model_walks_erp.moved_while_on_the_way,
    model_walks_erp.a_death_between_reading_and_sending,
    model_walks_erp.an_empty_erp_view,
    model_walks_erp.late_entries_in_thousands,
    model_walks_erp.one_attendance_of_two_hospitals,
    model_walks_erp.held_and_answered,
    model_walks_erp.held_until_a_person_says_yes,
    model_walks_erp.approved_when_it_has_grown_old,
    model_walks_erp.held_and_gone,
    model_walks_erp.held_and_released_late,
    model_walks_erp.a_yes_to_some_does_not_release_others,
    model_walks_erp.expired_at_night,
    model_walks_erp.tidied_every_night,
    model_walks_erp.forgotten,
    model_walks_erp.lines_come_back_into_a_held_day,
    model_walks_erp.moved_into_a_held_day,
    model_walks_sending.left_out_at_the_claim,
    model_walks_sending.before_the_go_live,
    model_walks_sending.grown_too_old,
    model_walks_sending.the_last_day_is_over_when_it_is_claimed,
    model_walks_sending.an_extraction_too_old_is_read_again,
    model_walks_sending.judged_under_other_rules,
    model_walks_sending.old_ones_included,
    model_walks_sending.opted_out_since,
    model_walks_sending.an_opt_out_between_two_parts,
    model_walks_sending.erased_in_every_waiting_state,
    model_walks_sending.invited_lately_in_another_hospital,
    model_walks_sending.a_family_with_one_address,
    model_walks_sending.the_other_visit_comes_back,
    model_walks_sending.the_budget_is_spent,
    model_walks_sending.settled_by_people,
    model_walks_sending.sent_again_on_a_wrong_word,
    model_walks_sending.decided_too_early,
    model_walks_sending.decided_by_two_at_once,
    model_walks_sending.stopped_by_track,
    model_walks_sending.dead_before_the_answer_is_kept,
    model_walks_sending.late_answers,
    model_walks_sending.accepted_after_all,
    model_walks_sending.claimed_anew_when_the_answer_comes,
    model_walks_sending.read_ahead_and_corrected,
    model_walks_sending.another_run_between_transform_and_approval,
    model_walks_policies.a_mark_that_is_corrected,
    model_walks_policies.a_policy_that_is_set_while_lines_wait,
    model_walks_policies.policies_that_are_given_up,
    model_walks_policies.outside_the_hours,
    model_walks_policies.opted_out_of_one_channel,
    model_walks_policies.a_cap_that_is_lifted,
    model_walks_policies.a_last_day_that_is_lifted,
    model_walks_policies.a_late_entry_that_a_look_back_finds,
    model_walks_policies.nobody_without_an_identifier,
    model_walks_ledger.a_backup_put_back,
    model_walks_ledger.a_backup_with_refused_held_and_reopened_lines,
    model_walks_ledger.held_when_a_backup_was_put_back,
    model_walks_ledger.reopened_when_a_standby_took_over,
    model_walks_ledger.a_late_line_of_sunday,
    model_walks_ledger.opted_out_under_a_key_that_goes,
    model_walks_ledger.keys_follow_each_other,
)
