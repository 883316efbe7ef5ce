extern alias client;

using Grpc.Core;
using Grpc.Net.Client;
using client::Llama.V1;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>A gRPC client of a test's gateway.</summary>
internal sealed class RpcClient(TestGateway gateway) : IDisposable
{
    private readonly GrpcChannel channel = GrpcChannel.ForAddress(gateway.RpcUrl);

    public GrpcChannel Channel => channel;

    public Inference.InferenceClient Inference => new(channel);

    public Cluster.ClusterClient Cluster => new(channel);

    public Task<List<GenerateResponse>> GenerateAsync(GenerateRequest request, params (string Name, string Value)[] metadata) =>
        ReadAsync(Inference.Generate(request, Options(metadata)));

    public Task<List<GenerateResponse>> ChatAsync(ChatRequest request) => ReadAsync(Inference.Chat(request, Options([])));

    public Task<List<EmbedResponse>> EmbedAsync(EmbedRequest request) => ReadAsync(Inference.Embed(request, Options([])));

    /// <summary>The status that a generation is refused with.</summary>
    public async Task<RpcException> RefusedAsync(GenerateRequest request, params (string Name, string Value)[] metadata) =>
        await Assert.ThrowsAsync<RpcException>(() => GenerateAsync(request, metadata));

    public static string TextOf(IEnumerable<GenerateResponse> parts) => string.Concat(parts.Select(part => part.Choice?.Text));

    public void Dispose() => channel.Dispose();

    private static CallOptions Options((string Name, string Value)[] metadata)
    {
        var headers = new Metadata();
        foreach ((string name, string value) in metadata) headers.Add(name, value);
        return new CallOptions(headers, DateTime.UtcNow.AddSeconds(20), TestContext.Current.CancellationToken);
    }

    private static async Task<List<T>> ReadAsync<T>(AsyncServerStreamingCall<T> call)
    {
        using (call) return await call.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken).ToListAsync();
    }
}
