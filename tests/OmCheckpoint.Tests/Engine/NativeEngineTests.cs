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
        "identity", "file_in_pieces", "pipe_blocks", "own_calls", "cost", "summed", "mirrored",
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
        "early_hello_waits", "deputy_death_is_told", "strangers_get_nothing", "both_dial",
        "wrong_member_gets_fenced", "nonsense_from_the_bodys_node",
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
