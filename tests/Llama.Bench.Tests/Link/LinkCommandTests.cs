using Llama.Bench.Link;

namespace Llama.Bench.Tests.Link;

public sealed class LinkCommandTests
{
    [Fact]
    public async Task RunAsync_FewRounds_PrintsTheDistribution()
    {
        using var output = new StringWriter();
        await LinkCommand.RunAsync(new LinkOptions { Bytes = 100_000, Rounds = 20 }, output, TestContext.Current.CancellationToken);
        Assert.Matches(
            "^100000 bytes there and back: p50 [0-9.,]+ µs, p90 [0-9.,]+ µs, p99 [0-9.,]+ µs, most [0-9,]+ µs; [0-9.,]+ bytes allocated",
            output.ToString());
    }
}
