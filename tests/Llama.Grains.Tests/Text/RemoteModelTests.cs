using Llama.Grains.Generation;
using Llama.Grains.Hosting;
using Llama.Grains.Tests.Hosting;
using Llama.Grains.Text;
using Llama.Model.Chat;
using Llama.Model.Tokenization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Text;

/// <summary>A client of a cluster of Orleans has no files, and knows the model as the silos do.</summary>
public sealed class RemoteModelTests : IAsyncDisposable
{
    private readonly TestSilos cluster = new();
    private readonly List<TokenizerService> services = [];

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        foreach (TokenizerService service in services) service.Dispose();
    }

    [Fact]
    public async Task Text_OfAModelElsewhere_IsReadAndWrittenAsThere()
    {
        LocalModel local = TestModels.Of();
        await StartAsync("a", local);
        using RemoteModel remote = await ConnectAsync();
        await KnowsAsync(remote, local);

        Assert.Equal(local.Shape, remote.Shape);
        Assert.Equal(local.Text.EndTokens, remote.Text.EndTokens);
        Assert.Equal(local.Text.LongestToken, remote.Text.LongestToken);
        Assert.Equal((local.Text.Template!.Name, false), (remote.Text.Template!.Name, remote.Text.Template.TakesOptions));
        foreach (string text in (string[])["", "Once upon a time", "añ👍🏽 <s> x", "\u0001\n\t"])
        {
            IReadOnlyList<int> tokens = await EncodeAsync(remote, text);
            Assert.Equal(await EncodeAsync(local, text), tokens);
            Assert.Equal(local.Text.Vocabulary!.Decode(tokens), remote.Text.Vocabulary!.Decode(tokens));
        }

        ChatMessage[] messages = [new("system", "Be brief."), new("user", "Hi")];
        Assert.Equal(
            await local.Text.Encoder!.EncodeAsync(messages, new ChatOptions(), Patience.Token),
            await remote.Text.Encoder!.EncodeAsync(messages, new ChatOptions(), Patience.Token));
        ChatMessage[] wrong = [new("bishop", "Hi")];
        ChatException fault = await Assert.ThrowsAsync<ChatException>(
            async () => await remote.Text.Encoder.EncodeAsync(wrong, new ChatOptions(), Patience.Token));
        Assert.Contains("bishop", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shape_NoSiloThere_IsUnavailableUntilOneIs()
    {
        using RemoteModel remote = await ConnectAsync();
        GenerationException fault = Assert.Throws<GenerationException>(() => remote.Shape);
        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.NotNull(fault.RetryAfter);
        Assert.StartsWith("No gateway silo of the cluster can be reached", fault.Message, StringComparison.Ordinal);

        LocalModel local = TestModels.Of();
        await StartAsync("a", local);
        await KnowsAsync(remote, local);
    }

    [Fact]
    public async Task Model_ClusterIsReplacedByOneWithAnother_IsNoticed()
    {
        LocalModel first = TestModels.Of();
        OrleansSilo silo = await StartAsync("a", first);
        using RemoteModel remote = await ConnectAsync();
        await KnowsAsync(remote, first);
        ITextEncoder old = remote.Text.Encoder!;

        await silo.StopAsync(Patience.Token);
        LocalModel second = TestModels.Of("plain", "another");
        await StartAsync("b", second);

        // A text of the old model is never encoded as the new one's.
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(
            async () => await old.EncodeAsync("Hi", true, Patience.Token));
        Assert.Equal(GenerationError.Unavailable, fault.Error);
        await KnowsAsync(remote, second);
        Assert.Equal(await EncodeAsync(second, "Hi there"), await EncodeAsync(remote, "Hi there"));
    }

    [Fact]
    public async Task Encode_SiloIsGone_AnotherDoesIt()
    {
        LocalModel local = TestModels.Of();
        OrleansSilo first = await StartAsync("a", local);
        using RemoteModel remote = await ConnectAsync();
        await KnowsAsync(remote, local);

        await first.StopAsync(Patience.Token);
        ValueTask<IReadOnlyList<int>> encoding = remote.Text.Encoder!.EncodeAsync("Once upon", true, Patience.Token);
        await StartAsync("b", local);

        Assert.Equal(await EncodeAsync(local, "Once upon"), await encoding.Soon());
    }

    [Fact]
    public async Task Call_NameOfAnotherModel_IsRefused()
    {
        await StartAsync("a", TestModels.Of());
        OrleansClient client = await cluster.ConnectAsync();
        IGrainFactory grains = await client.WaitForConnectionAsync(Patience.Token).Soon();

        await Assert.ThrowsAsync<InvalidOperationException>(() => grains.GetGrain<ITokenizerGrain>("another").DescribeAsync(Patience.Token)).Soon();
        Assert.Equal(TestModels.Name, (await grains.GetGrain<ITokenizerGrain>(TestModels.Name).DescribeAsync(Patience.Token)).Shape.Name);
    }

    private static async Task KnowsAsync(RemoteModel remote, LocalModel model) => await Patience.UntilAsync(
        () =>
        {
            try
            {
                return remote.Shape == model.Shape;
            }
            catch (GenerationException)
            {
                return false;
            }
        },
        () => "The model is not known.");

    private static async Task<IReadOnlyList<int>> EncodeAsync(IModelSource model, string text) =>
        await model.Text.Encoder!.EncodeAsync(text, true, Patience.Token).Soon();

    private async Task<OrleansSilo> StartAsync(string name, LocalModel model)
    {
        var service = new TokenizerService(model);
        services.Add(service);
        return await cluster.StartAsync(name, SiloRoles.Gateway, settings => settings with
        {
            Configure = silo =>
            {
                settings.Configure(silo);
                silo.Services.AddSingleton(service);
            },
        });
    }

    private async Task<RemoteModel> ConnectAsync()
    {
        OrleansClient client = await cluster.ConnectAsync();
        var remote = new RemoteModel(
            () => client.Grains.GetGrain<ITokenizerGrain>(ITokenizerGrain.AnyModel), () => client.Unreachable, Patience.Limit, TimeProvider.System,
            NullLogger.Instance);
        await remote.StartAsync(Patience.Token);
        return remote;
    }
}
