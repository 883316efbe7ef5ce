using System.Runtime.CompilerServices;

namespace Llama.Cluster.Tests.Processes;

/// <summary>
/// Silos count calls from the first on, so that a recovery soon computes with optimised code; at a start that compiles much that a short test
/// never uses again, and takes as long as all the rest. Here they count when the runtime does by default, which is when nothing new was
/// called for 100 ms.
/// </summary>
internal static class FastStart
{
    /// <summary>For all processes that the tests start. The number is hexadecimal.</summary>
    [ModuleInitializer]
    internal static void Set() => Environment.SetEnvironmentVariable("DOTNET_TC_CallCountingDelayMs", "64");
}
