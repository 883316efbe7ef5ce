namespace Llama.Gateway.Tests.Hosting;

/// <summary>One gateway for tests that change nothing in it.</summary>
public sealed class SharedGateway : IAsyncLifetime
{
    internal TestGateway Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Gateway = await TestGateway.StartAsync();

        // Tools take more than the test model's few tokens.
        Gateway.Grain.Status = Gateway.Grain.Status with { MaxSequenceTokens = 4096 };
    }

    public ValueTask DisposeAsync() => Gateway.DisposeAsync();
}
