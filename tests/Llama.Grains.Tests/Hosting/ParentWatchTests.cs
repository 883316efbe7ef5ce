using System.Diagnostics;
using System.IO.Pipes;
using Llama.Grains.Hosting;

namespace Llama.Grains.Tests.Hosting;

public sealed class ParentWatchTests
{
    [Fact]
    public async Task Start_InputEnds_AsksThenKills()
    {
        await using var parent = new AnonymousPipeServerStream(PipeDirection.Out);
        await using var input = new AnonymousPipeClientStream(PipeDirection.In, parent.ClientSafePipeHandle);
        var asked = new TaskCompletionSource();
        var killed = new TaskCompletionSource();

        ParentWatch.Start(input, asked.SetResult, killed.SetResult);
        await parent.WriteAsync("whatever a parent may say"u8.ToArray(), TestContext.Current.CancellationToken);
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.False(asked.Task.IsCompleted);

        await parent.DisposeAsync();
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        var stopwatch = Stopwatch.StartNew();
        await killed.Task.WaitAsync(ParentWatch.Grace + TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        Assert.InRange(stopwatch.Elapsed, ParentWatch.Grace / 2, TimeSpan.MaxValue);
    }
}
