using Llama.Model.Machine;

namespace Llama.Model.Tests.Machine;

public sealed class OwnThreadTests
{
    [Fact]
    public async Task Start_BodyThrows_IsTheTasksException()
    {
        Task ended = OwnThread.Start("test", () => throw new NotSupportedException("found"));
        Assert.Equal("found", (await Assert.ThrowsAsync<NotSupportedException>(() => ended)).Message);
    }

    [Fact]
    public async Task Start_BodyReturns_TaskCompletesAndTheThreadWasANamedOneOfItsOwn()
    {
        (string? name, bool pooled, bool background) = (null, true, false);
        await OwnThread.Start("test", () =>
            (name, pooled, background) = (Thread.CurrentThread.Name, Thread.CurrentThread.IsThreadPoolThread, Thread.CurrentThread.IsBackground));
        Assert.Equal(("test", false, true), (name, pooled, background));
    }

    [Fact]
    public void Demand_ThreadsThatThereAre_Returns() => OwnThread.Demand(computing: 2);
}
