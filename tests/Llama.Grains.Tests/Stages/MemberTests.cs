using Llama.Grains.Stages;
using Llama.Model.Kernels;
using Llama.Grains.Tests.Silos;

namespace Llama.Grains.Tests.Stages;

public sealed class MemberTests
{
    private static readonly Member Good = Members.Make("silo-1");

    public static TheoryData<string, Member> Faults => new()
    {
        { "name has 0 characters; expected 1 to 256", Good with { Name = "" } },
        { "name has 257 characters", Good with { Name = new string('a', 257) } },
        { "'silo-1' is at 'nowhere'; expected host:port", Good with { Address = "nowhere" } },
        { "is at ''", Good with { Address = "" } },
        { "instance of 0 characters", Good with { Instance = "" } },
        { "instance of 257 characters", Good with { Instance = new string('a', 257) } },
        { "0 threads; expected at least 1", Good with { Threads = 0 } },
        { "reads 0 bytes/s", Good with { Rates = Good.Rates with { BytesPerSecond = 0 } } },
        { "reads NaN bytes/s", Good with { Rates = Good.Rates with { BytesPerSecond = double.NaN } } },
        { "does Infinity operations/s", Good with { Rates = Good.Rates with { OperationsPerSecond = double.PositiveInfinity } } },
        { "0 bytes of memory", Good with { MemoryBytes = 0 } },
        { "needs 0, 4096 and 1048576 bytes", Good with { KvBlockBytes = 0 } },
        { "needs 4096, 0 and", Good with { LogBlockBytes = 0 } },
        { "-1 bytes for a KV block", Good with { ActivationBytes = -1 } },
        { "-1 bytes of memory for a log", Good with { LogMemoryBytes = -1 } },
    };

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public void Fault_ValuesThatCannotBe_AreNamed(string expected, Member member) =>
        Assert.Contains(expected, member.Fault(), StringComparison.Ordinal);

    [Fact]
    public void Fault_GoodOnes_HaveNone()
    {
        Assert.Null(Good.Fault());
        Assert.Null((Good with { Rates = new MachineRates(1e6, 1e18), LastEpoch = ulong.MaxValue, Drained = true }).Fault());
    }
}
