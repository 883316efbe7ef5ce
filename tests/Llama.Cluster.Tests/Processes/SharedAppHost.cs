namespace Llama.Cluster.Tests.Processes;

/// <summary>One AppHost for the tests that leave it as it was.</summary>
public sealed class SharedAppHost : IAsyncLifetime
{
    private RunningAppHost? appHost;

    /// <summary>The name of the collection of these tests.</summary>
    public const string Name = "shared AppHost";

    /// <summary>The running AppHost.</summary>
    internal RunningAppHost AppHost => appHost!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => appHost = await RunningAppHost.StartAsync();

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        appHost?.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>The tests of one AppHost.</summary>
[CollectionDefinition(SharedAppHost.Name, DisableParallelization = true)]
public sealed class SharedAppHostTests : ICollectionFixture<SharedAppHost>;
