namespace Llama.Cluster.Tests.Processes;

/// <summary>
/// Tests that measure time, or in which a process that is slow must not be taken for dead. No other test runs beside one of these.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TimedTests
{
    /// <summary>The name of the collection.</summary>
    public const string Name = "timed";
}
