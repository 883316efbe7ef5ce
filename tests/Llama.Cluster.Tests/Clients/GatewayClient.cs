using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;

namespace Llama.Cluster.Tests.Clients;

/// <summary>An HTTP client of a gateway.</summary>
internal sealed class GatewayClient : IDisposable
{
    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(60);

    /// <summary>
    /// A client of the gateway on a port of this machine. It closes the connection of an answer that it does not read to the end.
    /// </summary>
    /// <param name="port">The port.</param>
    /// <param name="authority">The file with the only authority that is trusted, for a gateway with TLS; null for HTTP.</param>
    /// <param name="connect">Connects to the port in another way; null for the usual one.</param>
    public GatewayClient(int port, string? authority = null, Func<int, ValueTask<Stream>>? connect = null)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, ResponseDrainTimeout = TimeSpan.Zero };
        if (connect is not null) handler.ConnectCallback = (_, _) => connect(port);
        if (authority is not null)
        {
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(authority) },
                RevocationMode = X509RevocationMode.NoCheck,
            };
        }

        string url = authority is null ? $"http://127.0.0.1:{port}" : $"https://localhost:{port}";
        Http = new HttpClient(handler) { BaseAddress = new Uri(url), Timeout = TimeSpan.FromSeconds(60) };
    }

    /// <summary>For what has no method here.</summary>
    public HttpClient Http { get; }

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    /// <summary>What is where.</summary>
    public async Task<ClusterStatus> StatusAsync() => (await Http.GetFromJsonAsync<ClusterStatus>("/cluster", TestEnds))!;

    /// <summary>What GET /cluster/plan says.</summary>
    public async Task<ClusterPlan> PlanAsync() => (await Http.GetFromJsonAsync<ClusterPlan>("/cluster/plan", TestEnds))!;

    /// <summary>The stages of the only pipeline.</summary>
    public async Task<IReadOnlyList<StageStatus>> StagesAsync() => Assert.Single((await StatusAsync()).Pipelines).Stages;

    /// <summary>Status and body of GET /health; status 0 where nobody listens.</summary>
    public async Task<(int Status, string Body)> HealthAsync()
    {
        try
        {
            using HttpResponseMessage response = await Http.GetAsync(new Uri("/health", UriKind.Relative), TestEnds);
            return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestEnds));
        }
        catch (HttpRequestException exception)
        {
            return (0, exception.Message);
        }
    }

    /// <summary>Waits until the model answers.</summary>
    public Task<TimeSpan> ReadyAsync(Func<string> output) =>
        Wait.UntilAsync("GET /health is 200", ReadyDeadline, async () => (await HealthAsync()).Status == 200, output);

    /// <summary>The tokens of the only choice.</summary>
    public async Task<IReadOnlyList<int>> CompleteAsync(TokenRequest request)
    {
        using HttpResponseMessage response = await Http.PostAsJsonAsync("/v1/completions", request, TestEnds);
        string body = await response.Content.ReadAsStringAsync(TestEnds);
        Assert.True(response.IsSuccessStatusCode, body);
        return TokenIds(body);
    }

    /// <summary>The tokens of every part of a stream; leaving the enumeration closes the connection.</summary>
    public async IAsyncEnumerable<IReadOnlyList<int>> StreamAsync(
        TokenRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = JsonContent.Create(request with { Stream = true }),
        };
        using HttpResponseMessage response = await Http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}");
        await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(cancellationToken))
        {
            if (item.Data == "[DONE]") yield break;
            yield return TokenIds(item.Data);
        }

        Assert.Fail("The stream ended without [DONE].");
    }

    /// <inheritdoc/>
    public void Dispose() => Http.Dispose();

    private static List<int> TokenIds(string body)
    {
        JsonElement answer = JsonElement.Parse(body);
        Assert.False(answer.TryGetProperty("error", out _), body);
        return [.. answer.GetProperty("choices")[0].GetProperty("token_ids").EnumerateArray().Select(token => token.GetInt32())];
    }
}
