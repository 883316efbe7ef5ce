using System.Diagnostics;
using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Rpc;

/// <summary>
/// The client of gRPC for JavaScript, which knows the gateway by the .proto alone. It runs after <c>npm install</c> in <c>bench/clients</c>, and is
/// skipped before.
/// </summary>
public sealed class GrpcJsTests
{
    private static readonly string Folder = Path.Combine(TestPaths.Root, "bench", "clients");
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Calls_OfGrpcJs_AreAnswered()
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(Folder, "node_modules")), $"needs npm install in {Folder}");
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeTokenOf = (request, position, ending) =>
            request.Seed == 99 && position == 1 ? Task.Delay(TimeSpan.FromSeconds(20), ending) : Task.CompletedTask;

        JsonElement found = await RunAsync(new Uri(gateway.RpcUrl).Authority);

        Assert.Equal(
            """{"text":"Hello.","tokens":[72,101,108,108,111,46,257],"code":0,"finish":"stop","usage":[3,7]}""",
            found.GetProperty("generate").GetRawText());
        Assert.Equal(
            """{"text":"Hel","tokens":[72,101,108],"code":0,"finish":"length","usage":[3,3]}""", found.GetProperty("chat").GetRawText());
        JsonElement refused = found.GetProperty("refused");
        Assert.Equal((3, "temperature"), (refused.GetProperty("code").GetInt32(), refused.GetProperty("param").GetString()));
        Assert.Equal("temperature must be a number from 0 to 2; found the number 3.", refused.GetProperty("message").GetString());
        Assert.Equal((4, 1), (found.GetProperty("deadline").GetInt32(), found.GetProperty("cancelled").GetInt32()));
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal("[8,1]", found.GetProperty("health").GetRawText());
        Assert.Contains("llama.v1.Inference", found.GetProperty("services").EnumerateArray().Select(service => service.GetString()));
    }

    private static async Task<JsonElement> RunAsync(string address)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(Folder, "grpc.mjs"), address]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var node = Process.Start(start)!;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        ending.CancelAfter(Deadline);
        try
        {
            Task<string> errors = node.StandardError.ReadToEndAsync(ending.Token);
            string output = await node.StandardOutput.ReadToEndAsync(ending.Token);
            Assert.True(output.Length > 0, await errors);
            return JsonElement.Parse(output);
        }
        finally
        {
            if (!node.HasExited) node.Kill();
        }
    }
}
