using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Tests.Engine;

/// <summary>
/// Runs tests/engine one by one: a body under the real filter, a deputy in the real agent, two engines and TLS between them.
/// What a test found wrong is in its output.
/// </summary>
public sealed class NativeEngineTests
{
    private static readonly string Program = Path.Combine(Guest.Programs, "..", "om_engine_test");

    public static TheoryData<string> Names =>
    [
        "identity", "answers_outlive_signals", "file_in_pieces", "pipe_blocks", "own_calls", "cost", "summed", "mirrored",
        "read_interrupted", "read_restarted", "blocked_signal_waits", "epoll_interrupted", "ppoll_has_its_mask",
        "frozen_wait_goes_on", "storm", "ring_overflows",
        "default_action_ends_body",
        "signal_outlives_a_warden",
        "handed_out_is_taken_back", "conducted_is_not_taken_back", "postponed_is_taken_back",
        "stopped_deputy_changes_nothing", "cut_link_changes_nothing", "cut_ends_a_quiesce",
        "stopped_deputy_owes_a_signal", "stopped_deputy_owes_a_restart", "cut_link_owes_a_signal", "cut_link_owes_a_restart",
        "cut_link_owes_an_answer", "start_is_told_when", "thaw_is_told_when",
        "cut_write_writes_once", "cut_writev_writes_once", "cut_send_sends_once", "cut_recv_receives_once", "cut_recvmsg_receives_once",
        "blocked_signal_cuts_no_write", "blocked_signal_cuts_no_recv", "handler_ends_write_with_what_it_did",
        "return_ends_write_with_what_it_did", "cut_write_is_taken_over",
        "pending_signal_ends_masked_wait", "ignored_signal_is_not_due", "pending_signal_ends_the_body",
        "reserved_slot_gives_call_back", "home_call_gives_call_back", "reservation_takes_read_back",
        "write_behind_own_call_writes_once", "poll_behind_own_call_keeps_its_time",
        "cut_link_executes_once", "home_opened_again", "remote_opened_again", "waiting_call_survives", "old_epoch_is_fenced", "body_let_go_is_noticed",
        "early_hello_waits", "waiting_hello_hears_of_no_home", "later_hello_hears_of_no_home", "known_home_is_waited_for", "deputy_death_is_told", "strangers_get_nothing", "both_dial",
        "wrong_member_gets_fenced", "nonsense_from_the_bodys_node",
        "many_threads_call", "blocked_hold_up_nobody", "each_has_its_time",
        "cloned_thread_has_its_slot", "cycles_leave_nothing", "no_slot_is_free", "clone_is_refused", "exit_empties_the_ring",
        "killed_deputy_ends_an_exit", "exit_outlives_a_warden", "clone_outlives_a_warden", "exit_ends_who_waits", "unheard_answer_is_found",
        "slot_is_taken",
        "many_calls_cut", "many_calls_held", "many_calls_home_restarted", "many_calls_remote_reopened", "many_calls_remote_restarted",
        "many_calls_both_restarted", "first_piece_is_taken_over", "arrived_is_taken_over",
        "failed_stop_is_due_when_home_is_heard", "stop_is_of_one_thread", "failed_stop_leaves_no_mask", "stop_is_of_all_threads", "stopped_deputy_changes_nothing_of_all",
        "signal_comes_to_its_slot", "process_signal_comes_once", "storms_of_all_threads", "full_ring_holds_up_no_other",
        "signals_of_a_new_thread_wait", "ending_thread_leaves_its_signals",
        "each_call_has_its_answer", "postponed_call_is_one_threads", "own_calls_go_between", "own_call_ends_with_its_thread",
        "unknown_thread_is_refused", "tids_of_one_bucket", "threads_are_made_while_away",
        "home_knows_its_slots", "ring_is_not_turned_back", "odd_welcomes_end_the_link", "remote_knows_its_slots", "scribbled_arena_harms_nobody",
        "doorbell_storm_is_borne", "held_doorbell_ends_too", "kept_thread_ends_with_its_deputy",
        "abandoned_child_ends", "forked_body_has_its_own_deputy", "forked_by_another_thread", "signal_comes_to_the_forked", "forked_deputy_ends_alone",
        "arena_keeps_its_size", "arena_without_seals", "arena_that_looks_anonymous",
        "noted_until_the_welcome", "welcomed_before_the_gate", "unserved_is_stopped", "closed_leaves_the_other", "closed_unserved_leaves_the_other",
        "first_is_closed_and_opened_again", "two_are_cut", "two_are_taken_over", "two_homes_are_taken_over",
        "arrived_of_the_forked_is_taken_over", "late_body_hears_of_the_end", "guard_others_go_through", "guard_call_waits_for_home", "guard_warden_calls_beside_it",
    ];

    [RootTheory]
    [MemberData(nameof(Names))]
    public void Engine_NativeTest_Passes(string name)
    {
        using var program = Guest.Start(Program, name);
        var (output, status) = program.End();
        TestContext.Current.TestOutputHelper?.WriteLine(output);
        Assert.Contains($"ok {name}\n", output, StringComparison.Ordinal);
        Assert.Equal(new WaitStatus(0), status);
    }

    [Fact]
    public void Names_AgainstTheProgram_AreAllOfThem()
    {
        using var program = Guest.Start(Program, "--list");
        var (output, _) = program.End();
        Assert.Equal(output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Names.Select(row => row.Data));
    }
}
