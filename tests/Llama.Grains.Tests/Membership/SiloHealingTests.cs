using System.Diagnostics;
using Llama.Grains.Membership;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership;

public sealed class SiloHealingTests
{
    [Fact]
    public async Task Start_Three()
    {
        using var folder = new TemporaryFolder();
        ClusterAddress cluster = ClusterAddress.Parse(folder["root"]);
        long t = Stopwatch.GetTimestamp();
        TestSilo[] silos = await Task.WhenAll(Enumerable.Range(0, 3).Select(i => TestSilo.StartAsync($"s{i}", cluster)));
        TestContext.Current.TestOutputHelper!.WriteLine($"started {Stopwatch.GetElapsedTime(t)}");
        await Patience.UntilAsync(() => silos.All(silo => silo.Active.Count() == 3), () => "three");
        TestContext.Current.TestOutputHelper!.WriteLine($"all {Stopwatch.GetElapsedTime(t)}");
        TestContext.Current.TestOutputHelper!.WriteLine(await silos[0].Grains.GetGrain<IWhereGrain>("a").WhereAsync());
        foreach (string f in System.IO.Directory.EnumerateFiles(folder["root"] + "/llama")) TestContext.Current.TestOutputHelper!.WriteLine(f);
        t = Stopwatch.GetTimestamp();
        System.IO.Directory.Delete(folder["root"] + "/llama", true);
        await Patience.UntilAsync(() => System.IO.Directory.Exists(folder["root"] + "/llama") && System.IO.Directory.GetFiles(folder["root"] + "/llama", "*.json").Length > 0, () => "back");
        TestContext.Current.TestOutputHelper!.WriteLine($"healed {Stopwatch.GetElapsedTime(t)}");
        TestContext.Current.TestOutputHelper!.WriteLine(File.ReadAllText(System.IO.Directory.GetFiles(folder["root"] + "/llama", "*.json").Max()!));
        t = Stopwatch.GetTimestamp();
        foreach (TestSilo silo in silos) await silo.DisposeAsync();
        TestContext.Current.TestOutputHelper!.WriteLine($"stopped {Stopwatch.GetElapsedTime(t)}");
    }
}
