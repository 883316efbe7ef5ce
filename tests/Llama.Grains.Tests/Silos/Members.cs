using Llama.Grains.Stages;
using Llama.Model.Kernels;

namespace Llama.Grains.Tests.Silos;

/// <summary>Members for tests.</summary>
internal static class Members
{
    public static MachineRates Rates { get; } = new(8e9, 5e10);

    public static Member Make(string name, string address = "127.0.0.1:4000") => new()
    {
        Name = name,
        Address = address,
        ProcessId = 17,
        Instance = $"{name} at {address}",
        Threads = 1,
        Rates = Rates,
        MemoryBytes = 1L << 30,
        Profile = "cpu",
        LastEpoch = 0,

        // Those of TestModel.Llama3 with keys and values in F32.
        KvBlockBytes = 2 * 16 * 32 * 4,
        LogBlockBytes = 16 * 64 * 4,
        ActivationBytes = 1 << 20,
    };
}
