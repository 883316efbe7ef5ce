using Llama.Gateway.Tests.Hosting;
using Microsoft.Extensions.AI;

namespace Llama.Client.Tests;

/// <summary>Clients of tests' gateways.</summary>
internal static class TestClient
{
    public static IChatClient Of(params TestGateway[] gateways) => new LlamaChatClient(Options(gateways));

    public static LlamaClientOptions Options(params TestGateway[] gateways) =>
        new() { Addresses = [.. gateways.Select(gateway => new Uri(gateway.RpcUrl))], Timeout = TimeSpan.FromSeconds(20) };
}
