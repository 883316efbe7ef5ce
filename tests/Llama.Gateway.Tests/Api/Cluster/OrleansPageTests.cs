using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.ServiceDefaults;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Gateway.Tests.Api.Cluster;

/// <summary>Orleans' dashboard on a path of the gateway, over two silos in this process.</summary>
public sealed class OrleansPageTests : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder folder = new();
    private readonly List<ClusterMembership> members = [];

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(members.Select(member => member.DisposeAsync().AsTask()));
        folder.Dispose();
    }

    [Fact]
    public async Task Get_IncarnationsComeAndGo_ShowsTheClusterOfTheOneThatIsThere()
    {
        OrleansSilo[] silos = await Task.WhenAll(StartAsync("gateway-1", SiloRoles.Gateway), StartAsync("silo-1", SiloRoles.Devices));
        await using TestGateway gateway = await TestGateway.StartAsync(new TestTokenizer(), orleans: silos[0]);
        HttpClient http = gateway.Client;

        using (HttpResponseMessage page = await http.GetAsync("/orleans", TestEnds))
        {
            Assert.Equal("/orleans/", page.RequestMessage!.RequestUri!.AbsolutePath);
            Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);
        }

        Assert.Contains("DashboardCounters", await http.GetStringAsync("/orleans/index.min.js", TestEnds), StringComparison.Ordinal);
        await UntilHostsAreAsync(http, silos);
        Assert.NotEmpty((await http.GetFromJsonAsync<JsonElement>(
            $"/orleans/SiloProperties/{silos[1].Incarnation!.Address.ToParsableString()}", TestEnds)).GetProperty("orleansVersion").GetString()!);
        using (HttpResponseMessage nothing = await http.GetAsync("/orleans/nothing", TestEnds))
            (await ApiError.ReadAsync(nothing)).Is(404, null, "There is nothing at GET /orleans/nothing", "unknown_url");
        using (HttpResponseMessage post = await http.PostAsync("/orleans/DashboardCounters", null, TestEnds)) Assert.Equal(405, (int)post.StatusCode);

        JsonElement document = await http.GetFromJsonAsync<JsonElement>("/openapi/v1.json", TestEnds);
        Assert.True(document.GetProperty("paths").TryGetProperty("/orleans", out _));

        Assert.True(await silos[1].Membership.TryKill(silos[0].Incarnation!.Address));
        await silos[0].WaitForIncarnationAsync(1, TestEnds).WaitAsync(Deadline, TestEnds);
        await UntilHostsAreAsync(http, silos);

        await silos[0].StopAsync(TestEnds);
        using HttpResponseMessage none = await http.GetAsync("/orleans/DashboardCounters", TestEnds);
        (await ApiError.ReadAsync(none)).Is(503, null, "not a member of its cluster at the moment", "unavailable");
    }

    [Fact]
    public async Task Get_WithoutTheOption_ThereIsNothing()
    {
        await using TestGateway gateway = await TestGateway.StartAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await gateway.Client.GetAsync("/orleans/", TestEnds)).StatusCode);
    }

    /// <summary>Until the dashboard names these silos, with the generations that they have now, as active and nobody else.</summary>
    private static async Task UntilHostsAreAsync(HttpClient http, OrleansSilo[] silos)
    {
        string[] expected = [.. silos.Select(silo => silo.Incarnation!.Address.ToParsableString()).Order()];
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestEnds);
        deadline.CancelAfter(Deadline);
        while (!(await ActiveAsync(http, deadline.Token)).SequenceEqual(expected)) await Task.Delay(100, deadline.Token);
    }

    private static async Task<IEnumerable<string?>> ActiveAsync(HttpClient http, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await http.GetAsync("/orleans/DashboardCounters", cancellationToken);

        // The grain that counts may have been where the old incarnation was.
        if (response.StatusCode == HttpStatusCode.ServiceUnavailable) return [];
        JsonElement counters = await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
        return counters.GetProperty("hosts").EnumerateArray().Where(host => host.GetProperty("status").GetString() == "Active")
            .Select(host => host.GetProperty("siloAddress").GetString()).Order();
    }

    private async Task<OrleansSilo> StartAsync(string name, string role)
    {
        var identity = new LinkIdentity { Name = name, Model = new ModelIdentity { Fingerprint = "f00d", ContextLength = 64 } };
        var member = new ClusterMembership(
            new GatewayOptions { Cluster = folder.Path }, new SiloPlace(IPAddress.Loopback, IPAddress.Loopback, 0, null), role, identity,
            NullLoggerFactory.Instance, OrleansDashboard.AddTo);
        members.Add(member);
        await member.Silo.StartAsync(TestEnds);
        await member.Silo.WaitForIncarnationAsync(0, TestEnds).WaitAsync(Deadline, TestEnds);
        return member.Silo;
    }
}
