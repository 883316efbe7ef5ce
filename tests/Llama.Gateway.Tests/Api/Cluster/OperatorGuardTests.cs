using System.Net.Http.Headers;
using System.Text;
using Llama.Gateway.Api.Cluster;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Tests.Hosting;
using Microsoft.AspNetCore.Http;

namespace Llama.Gateway.Tests.Api.Cluster;

/// <summary>Who may change the cluster.</summary>
public sealed class OperatorGuardTests
{
    private const string Key = "the key of this cluster";

    [Theory]
    [InlineData(null, "No key was given")]
    [InlineData("Bearer the key of another one", "The key is not the cluster's")]
    [InlineData("Bearer the key of this cluste", "The key is not the cluster's")]
    [InlineData("Bearer ", "No key was given")]
    [InlineData("Basic the key of this cluster", "No key was given")]
    public async Task Send_WithoutTheKey_Answers401AndChangesNothing(string? authorization, string message)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), key: Key);
        foreach (string path in new[] { "/cluster/drain/silo-1", "/cluster/rebalance" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path);
            if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
            using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
            (await ApiError.ReadAsync(response)).Is(401, null, message, "invalid_api_key");
            Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        }

        Assert.Empty(gateway.Grain.Changes);
    }

    [Fact]
    public async Task Send_WithTheKey_ChangesTheCluster()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), key: Key);
        gateway.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
        using var response = await gateway.Client.DeleteAsync("/cluster/drain/silo-1", TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(["take back silo-1"], gateway.Grain.Changes);

        // What only reads needs no key.
        await gateway.Client.GetStringAsync("/cluster/plan", TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("Bearer", Key, true, true)]
    [InlineData("Basic", $"operator:{Key}", true, false)]
    [InlineData("Basic", $":{Key}", true, false)]
    [InlineData("Basic", Key, false, false)]
    [InlineData("Basic", $"{Key}:", false, false)]
    [InlineData("Basic", "operator:the key of another one", false, false)]
    [InlineData("Basic", null, false, false)]
    public async Task Show_KeyAsAPassword_IsGoodForLookingAndNotForChanging(string scheme, string? login, bool mayLook, bool mayChange)
    {
        var guard = new OperatorGuard(Encoding.UTF8.GetBytes(Key), new GatewayNames());
        string text = scheme == "Bearer" ? login! : login is null ? "no base64!" : Convert.ToBase64String(Encoding.UTF8.GetBytes(login));

        Assert.Equal((mayLook, mayLook ? "" : "Basic"), await AskAsync(guard.Show));
        Assert.Equal((mayChange, mayChange ? "" : "Bearer"), await AskAsync(guard.Protect));

        async Task<(bool Allowed, string Asked)> AskAsync(Func<Func<HttpContext, CancellationToken, Task>, Func<HttpContext, CancellationToken, Task>> allow)
        {
            var context = new DefaultHttpContext { Request = { Scheme = "http", Host = new HostString("localhost", 1) } };
            context.Request.Headers.Authorization = $"{scheme} {text}";
            bool allowed = false;
            try
            {
                await allow((_, _) => Task.FromResult(allowed = true))(context, default);
            }
            catch (ApiException e)
            {
                Assert.Equal(401, e.Status);
            }

            return (allowed, context.Response.Headers.WWWAuthenticate.ToString().Split(' ')[0]);
        }
    }

    [Theory]
    [InlineData("evil.example", null, 403, "is for the host 'evil.example'")]
    [InlineData("evil.example", "http://evil.example", 403, "is for the host 'evil.example'")]
    [InlineData(null, "http://evil.example", 403, "a web page of 'http://evil.example'")]
    [InlineData(null, "null", 403, "a web page of 'null'")]
    [InlineData("localhost:1", "http://localhost:2", 403, "a web page of 'http://localhost:2'")]
    [InlineData("localhost:1", "https://localhost:1", 403, "a web page of 'https://localhost:1'")]
    [InlineData("localhost:1", "http://localhost:1", 200, null)]
    [InlineData("The-Gateway.example:80", null, 200, null)]
    [InlineData("[::1]:8080", null, 200, null)]
    public async Task Send_HostOrOriginOfAnother_Answers403(string? host, string? origin, int status, string? message)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/cluster/drain/silo-1");
        if (host is not null) request.Headers.Host = host;
        if (origin is not null) request.Headers.TryAddWithoutValidation("Origin", origin);
        using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 200 ? 1 : 0, gateway.Grain.Changes.Count);
        if (message is not null) (await ApiError.ReadAsync(response)).Is(403, null, message, "forbidden");
    }

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("10.1.2.3", true)]
    [InlineData("LOCALHOST", true)]
    [InlineData("machine-1", true)]
    [InlineData("machine-10", false)]
    [InlineData("", false)]
    [InlineData("127.0.0.1.evil.example", false)]
    public void Has_Name_IsTrueForAddressesAndWhatWasTold(string host, bool expected) =>
        Assert.Equal(expected, new GatewayNames("0.0.0.0", "machine-1:8080", null).Has(host));
}
