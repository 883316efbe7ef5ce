using System.Diagnostics;
using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Llama.AppHost.Tests;

public sealed class ClusterResourcesTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>
    /// The whole application once, as Aspire's tests start it: health, endpoints and commands of its resources. One of two gateways dies
    /// before the cluster is ready, which does not end it.
    /// </summary>
    [Fact]
    public async Task Start_GatewayAndSilos_AreHealthyResourcesWithCommands()
    {
        CancellationToken testEnds = TestContext.Current.CancellationToken;
        IDistributedApplicationTestingBuilder builder = await DistributedApplicationTestingBuilder.CreateAsync<AppHostOptions>(
            ["--port=0", "--silos=2", "--gateways=2", "--fronts=1", "--threads=1"], testEnds);
        await using (builder)
        {
            await using DistributedApplication application = await builder.BuildAsync(testEnds);
            await application.StartAsync(testEnds);
            int killed = await KillAsync(application, "gateway", testEnds);
            foreach (string name in (string[])["gateway", "gateway-2", "front-1", "silo-1", "silo-2"])
                await application.ResourceNotifications.WaitForResourceHealthyAsync(name, WaitBehavior.WaitOnResourceUnavailable, testEnds)
                    .WaitAsync(Deadline, testEnds);

            Assert.NotEqual(killed, await ProcessOfAsync(application, "gateway", testEnds));
            if (OperatingSystem.IsLinux())
            {
                foreach (string name in (string[])["gateway", "silo-1"])
                    Assert.Contains("\0OTEL_EXPORTER_OTLP_ENDPOINT=http", await File.ReadAllTextAsync(
                        $"/proc/{await ProcessOfAsync(application, name, testEnds)}/environ", testEnds), StringComparison.Ordinal);
            }

            foreach (string gateway in (string[])["gateway", "gateway-2", "front-1"])
            {
                using HttpClient http = application.CreateHttpClient(gateway, "http");
                Assert.Contains("tinystories", await http.GetStringAsync(new Uri("/v1/models", UriKind.Relative), testEnds), StringComparison.Ordinal);
            }

            ResourceCommandService commands = application.Services.GetRequiredService<ResourceCommandService>();
            Assert.True((await commands.ExecuteCommandAsync("silo-1", "drain", testEnds)).Success);
            ExecuteCommandResult refused = await commands.ExecuteCommandAsync("silo-2", "drain", testEnds);
            Assert.False(refused.Success);
            Assert.Contains("No other silo", refused.Message, StringComparison.Ordinal);
            Assert.True((await commands.ExecuteCommandAsync("silo-1", "take-back", testEnds)).Success);
            ExecuteCommandResult rebalanced = await commands.ExecuteCommandAsync("gateway", "rebalance", testEnds);
            Assert.True(rebalanced.Success, rebalanced.Message);
        }
    }
    private static async Task<int> KillAsync(DistributedApplication application, string name, CancellationToken testEnds)
    {
        int id = await ProcessOfAsync(application, name, testEnds);
        using var process = Process.GetProcessById(id);
        process.Kill();
        return id;
    }

    private static async Task<int> ProcessOfAsync(DistributedApplication application, string name, CancellationToken testEnds)
    {
        ResourceEvent running = await application.ResourceNotifications.WaitForResourceAsync(
            name, news => news.Snapshot.State?.Text == KnownResourceStates.Running, testEnds).WaitAsync(Deadline, testEnds);
        return Convert.ToInt32(running.Snapshot.Properties.Single(one => one.Name == "executable.pid").Value, CultureInfo.InvariantCulture);
    }
}
