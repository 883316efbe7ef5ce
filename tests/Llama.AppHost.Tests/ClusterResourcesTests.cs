using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Llama.AppHost.Tests;

public sealed class ClusterResourcesTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>The whole application once, as Aspire's tests start it: health, endpoints and commands of its resources.</summary>
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
            foreach (string name in (string[])["gateway", "gateway-2", "front-1", "silo-1", "silo-2"])
                await application.ResourceNotifications.WaitForResourceHealthyAsync(name, testEnds).WaitAsync(Deadline, testEnds);

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
}
