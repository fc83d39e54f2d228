//! The files of scenarios, and a line for each scenario, so that every executor has a test of each.

use crate::scenario::{Scenario, parse};

/// The files, by their names.
pub const FILES: [(&str, &str); 8] = [
    ("contacts", include_str!("../../scenarios/contacts.txt")),
    ("dozen", include_str!("../../scenarios/dozen.txt")),
    ("forms", include_str!("../../scenarios/forms.txt")),
    ("keyed", include_str!("../../scenarios/keyed.txt")),
    ("stamped", include_str!("../../scenarios/stamped.txt")),
    ("values", include_str!("../../scenarios/values.txt")),
    ("phones", include_str!("../../scenarios/phones.txt")),
    ("references", include_str!("../../scenarios/references.txt")),
];

/// All scenarios.
///
/// # Errors
/// The first complaint about a file.
pub fn all() -> Result<Vec<Scenario>, String> {
    let mut all = Vec::new();
    for (name, text) in FILES {
        all.extend(parse(text).map_err(|complaint| format!("{name}.txt, {complaint}"))?);
    }
    Ok(all)
}

/// The scenario of this name.
///
/// # Errors
/// If there is none.
pub fn named(name: &str) -> Result<Scenario, String> {
    let mut all = all()?.into_iter();
    all.find(|scenario| scenario.name == name).ok_or_else(|| format!("no scenario {name}"))
}

/// Hands the names of all scenarios to a macro, in the order of the files.
#[macro_export]
macro_rules! scenarios {
    ($each:ident) => {
        $each! {
            p3_an_edit_in_the_last_system_reaches_the_others_and_touches_nothing_else
            p1_a_row_created_in_the_first_system_is_created_once_in_the_others
            p2_a_row_created_in_the_second_system_is_created_once_in_the_others
            p4_a_delete_in_the_first_system_is_a_delete_in_the_others
            p6_an_edit_taken_back_between_two_reads_is_no_edit
            p7_several_edits_between_two_reads_are_one_write_for_each_target
            p9_an_edit_in_a_system_that_only_receives_is_reverted_and_shown
            p9_an_edit_in_a_system_that_only_receives_may_be_left_alone_and_is_listed
            p10_a_record_that_comes_into_scope_is_created_once
            m1_edits_of_different_fields_both_arrive
            m2_the_system_that_stands_first_wins_and_the_loser_is_kept
            m3_the_same_edit_on_both_sides_is_no_conflict
            m4_three_different_edits_are_one_conflict_with_two_losers
            m5_the_first_of_those_who_edited_wins
            m9_an_edit_outside_the_owner_of_a_field_is_reverted
            m15_a_manual_conflict_holds_its_field_until_a_person_decides
            m16_a_later_edit_moves_its_candidate_and_opens_nothing_new
            m20_edits_heard_at_different_times_come_to_the_same
            d1_a_delete_in_the_first_system_beats_an_edit_and_keeps_it
            d2_an_edit_in_the_first_system_beats_a_delete
            d3_a_delete_beats_an_edit_in_a_system_that_stands_behind
            d4_an_edit_wins_where_update_wins
            d4_a_delete_wins_where_delete_wins
            d5_two_deletes_are_one
            d6_a_delete_by_a_system_that_may_not_is_undone
            d7_a_row_made_again_under_another_key_is_the_same_record
            d8_whoever_was_away_while_a_record_was_deleted_has_its_copy_deleted
            d9_what_was_edited_while_away_is_deleted_and_kept_where_the_deleter_stands_first
            d9_what_was_edited_while_away_comes_back_everywhere_where_update_wins
            d14_a_record_that_leaves_the_scope_stays_linked
            d14_a_record_that_leaves_the_scope_is_let_go_and_comes_back
            d14_a_record_that_leaves_the_scope_is_taken_away_and_comes_back
            d17_a_row_that_came_and_went_was_never_there
            d18_of_a_key_used_twice_the_last_row_lives
            w1_rows_that_were_created_although_their_answer_was_lost_are_there_once
            w1_a_row_of_which_nobody_knows_whether_it_was_created_is_in_doubt_until_it_shows_itself
            w1_a_mark_tells_at_once_whether_a_row_was_created
            w1_an_edit_whose_answer_was_lost_is_read_and_not_made_again
            w2_a_program_killed_between_two_targets_writes_what_is_missing_and_nothing_else
            w2_a_new_row_whose_key_the_table_makes_is_told_by_its_mark_after_a_kill
            l9_a_write_of_which_a_killed_program_knew_nothing_is_no_edit
            w13_a_server_that_dies_before_it_commits_is_written_when_it_is_back
            w13_a_server_that_dies_after_it_committed_is_not_written_again
            w4_one_refused_row_holds_back_nobody_else
            w8_the_same_person_entered_twice_is_one_record
            i6_a_match_key_that_changes_goes_through_the_link
            i8_a_key_used_again_for_somebody_else_is_somebody_else
            d11_an_empty_system_is_a_failure_and_not_a_delete
            d13_a_mass_delete_waits_for_a_person_who_lets_exactly_that_through
            l4_a_system_that_writes_in_capitals_does_not_shout_at_the_others
            s1_dates_in_different_forms_are_the_same_day
            w2_a_row_that_can_be_asked_for_is_written_once_whenever_the_program_is_killed
            w1_a_row_that_can_be_asked_for_is_settled_in_the_same_run
            p5_a_row_whose_time_alone_moves_says_nothing_new
            m6_the_newest_edit_wins_whoever_stands_first
            m7_of_two_edits_at_the_same_time_the_first_systems_wins
            m8_a_clock_that_is_ahead_does_not_win
            l1_our_own_write_that_comes_back_with_a_new_time_is_no_change
            m10_counters_add_up_what_both_sides_did
            m11_members_taken_out_and_put_in_are_merged
            m12_the_fields_of_a_unit_win_or_lose_together
            s5_a_finer_word_survives_edits_of_other_fields
            s6_a_value_without_a_meaning_is_set_aside
            s7_null_clears_and_blank_is_what_the_cell_says
            m14_the_same_telephone_number_in_two_forms_is_no_difference
            w5_an_order_goes_after_its_customer_and_refers_to_its_row_there
            w5_an_order_waits_for_its_customer_and_goes_when_it_is_there
            w6_a_circle_of_references_is_closed_in_two_steps
            w7_two_records_swap_a_unique_value
        }
    };
}
