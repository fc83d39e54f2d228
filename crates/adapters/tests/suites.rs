//! Runs the shared suites of sources and targets: one test per fact and kind of system.

/// Makes a test of every function of the suites, each with a fresh bench from `$bench().await`.
macro_rules! suites {
    ($bench:path) => {
        $crate::suites::each! { $bench, source,
            scan_is_complete_and_proved, scan_is_one_snapshot, scan_given_up_is_incomplete,
            scan_goes_on_where_it_was_cut, scan_that_cannot_go_on_begins_anew,
            poll_shows_all_rows_of_one_stamp, poll_meets_a_late_commit,
            poll_meets_commits_between_pages, poll_shows_what_changed, keys_are_found_or_absent,
            composite_keys_are_exact, children_come_with_their_parent, doubts_are_settled_by_marks,
            heartbeats_tell_that_a_system_went_back, new_rows_are_found_by_their_marks,
            large_texts_are_read_in_bounded_batches,
        }
        $crate::suites::each! { $bench, target,
            insert_answers_the_key_made, update_touches_only_what_it_sets,
            changed_rows_are_not_overwritten, deletes_are_conditional,
            unique_violations_name_the_holder, a_clash_costs_nobody_else, unique_values_are_swapped,
            foreign_keys_are_respected, invalid_values_have_codes, parents_and_children_are_one,
            one_of_a_thousand_is_refused_alone, odd_names_and_texts_are_written_exactly,
            composite_keys_are_written, locks_end_in_a_time_out,
        }
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn it_lives_as_the_model_of_the_simulator() {
            let mut bench = $bench().await;
            $crate::conformance::lives_as_the_model(&mut bench).await;
        }
    };
}

/// Makes a test of every function of the suite of listeners.
macro_rules! listens {
    ($bench:path) => {
        $crate::suites::each! { $bench, listener,
            changes_are_heard_by_key, nothing_given_up_is_heard, a_changed_key_is_heard_under_both,
            a_transaction_is_heard_in_all_tables, keys_are_those_that_reads_show,
            what_nobody_listened_to_is_heard, what_was_not_dealt_with_is_heard_again,
            what_was_dealt_with_may_be_forgotten, a_large_transaction_is_heard_in_pieces,
            a_cut_line_leaves_no_gap, silence_is_heard, what_is_removed_is_gone,
            an_unknown_position_is_lost,
        }
    };
}

macro_rules! each {
    ($bench:path, $suite:ident, $($name:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let mut bench = $bench().await;
            syncline_ports::suite::$suite::$name(&mut bench).await;
        }
    )*};
}

pub(crate) use {each, listens, suites};
