using Llama.Grains.Directory;

namespace Llama.Grains.Tests.Directory;

/// <summary>Members for tests.</summary>
internal static class Members
{
    public static Member Make(string name, string address = "127.0.0.1:4000") => new()
    {
        Name = name,
        Address = address,
        ProcessId = 17,
        Threads = 1,
        MemoryBytes = 1L << 30,
        Profile = "cpu",
        LastEpoch = 0,
    };
}
