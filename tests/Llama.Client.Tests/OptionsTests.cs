using Llama.Gateway.Tests.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Llama.Client.Tests;

public sealed class OptionsTests
{
    [Fact]
    public async Task AddLlamaClient_GoodOptions_GivesAClientThatAnswers()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using ServiceProvider services = new ServiceCollection()
            .AddLlamaClient(options =>
            {
                options.Addresses = TestClient.Options(gateway).Addresses;
                options.Model = "test-model";
            })
            .BuildServiceProvider();

        var client = services.GetRequiredService<IChatClient>();

        Assert.Equal("Hello.", (await client.GetResponseAsync("Hi", cancellationToken: TestContext.Current.CancellationToken)).Text);
        var metadata = client.GetRequiredService<ChatClientMetadata>();
        Assert.Equal(("llama", new Uri(gateway.RpcUrl), "test-model"), (metadata.ProviderName, metadata.ProviderUri, metadata.DefaultModelId));
    }

    [Fact]
    public void AddLlamaClient_FaultyOptions_NamesEachFault()
    {
        Action<LlamaClientOptions> configure = options =>
        {
            options.Addresses = [new Uri("http://good:1"), new Uri("ftp://host"), new Uri("http://host/v1"), new Uri("here", UriKind.Relative)];
            options.ApiKey = "a b";
            options.Model = "";
            options.Timeout = TimeSpan.Zero;
            options.RecoveryTimeout = TimeSpan.FromSeconds(-1);
            options.AuthorityFile = "missing.pem";
        };
        using ServiceProvider services = new ServiceCollection().AddLlamaClient(configure).BuildServiceProvider();
        var options = new LlamaClientOptions();
        configure(options);

        var found = Assert.Throws<OptionsValidationException>(services.GetRequiredService<IChatClient>);
        var direct = Assert.Throws<OptionsValidationException>(() => new LlamaChatClient(options));

        string[] expected = ["'ftp://host/'", "'http://host/v1'", "'here'", "ApiKey has 3", "Model is ''", "Timeout is 00:00:00;", "RecoveryTimeout is -00:00:01", "'missing.pem'"];
        Assert.Equal(expected.Length, found.Failures.Count());
        Assert.All(expected.Zip(found.Failures), pair => Assert.Contains(pair.First, pair.Second, StringComparison.Ordinal));
        Assert.Equal(found.Failures, direct.Failures);
    }

    [Fact]
    public void New_NoAddress_IsRefused() =>
        Assert.Contains("Addresses is empty", Assert.Throws<OptionsValidationException>(() => new LlamaChatClient(new())).Message, StringComparison.Ordinal);
}
