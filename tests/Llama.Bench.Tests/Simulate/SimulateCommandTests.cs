using System.Xml.Linq;
using Llama.Bench.Simulate;
using Llama.Tests;

namespace Llama.Bench.Tests.Simulate;

public sealed class SimulateCommandTests
{
    [Fact]
    public void Run_Plots_AreWrittenAsImagesWithALineForEachNumberOfStages()
    {
        using var folder = new TemporaryFolder();
        using var output = new StringWriter();
        var options = new SimulateOptions { Stages = "1,2", Clients = "1,4", Requests = 20, Plots = folder["plots"] };
        SimulateCommand.Run(options, output, TestContext.Current.CancellationToken);
        Assert.Equal(5, output.ToString().TrimEnd().Split('\n').Length);
        string[] files = Directory.GetFiles(folder["plots"]);
        Assert.Equal(4, files.Length);
        foreach (string file in files)
        {
            XElement svg = XElement.Load(file);
            Assert.Equal(2, svg.Elements().Count(element => element.Name.LocalName == "polyline"));
            Assert.Contains("2 stages", svg.Value, StringComparison.Ordinal);
            Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Run_Explore_SaysWhatItMetWith()
    {
        using var output = new StringWriter();
        SimulateCommand.Run(new SimulateOptions { Explore = 1500 }, output, TestContext.Current.CancellationToken);
        Assert.Contains("Every token was the right one.", output.ToString(), StringComparison.Ordinal);
    }
}
