using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;
using Llama.Model.Kernels;

namespace Llama.Grains.Tests.Settings;

public sealed class CoreListTests
{
    [Theory]
    [InlineData("0", new[] { 0 })]
    [InlineData("0-3,6", new[] { 0, 1, 2, 3, 6 })]
    [InlineData("6,2-3,0", new[] { 6, 2, 3, 0 })]
    [InlineData("5-5,8191", new[] { 5, 8191 })]
    public void Parse_SingleCoresAndRanges_KeepsTheirOrder(string text, int[] cores) => Assert.Equal(cores, CoreList.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("0,")]
    [InlineData("-1")]
    [InlineData("3-1")]
    [InlineData("0-1-2")]
    [InlineData("0-3,2")]
    [InlineData("0, 1")]
    [InlineData("8192")]
    [InlineData("0-2147483647")]
    [InlineData("0-99999999999")]
    [InlineData("all")]
    public void Parse_NoList_Throws(string text) => Assert.Throws<FormatException>(() => CoreList.Parse(text));

    [Fact]
    public void Format_Cores_ParsesBack() => Assert.Equal([4, 0, 2], CoreList.Parse(CoreList.Format([4, 0, 2])));

    [Fact]
    public void Validate_CoresOfThisProcess_MustBeOneForEachThread()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        int[] usable = [.. ThreadAffinity.Cores()];

        Assert.Empty(Validate(null, 1000));
        Assert.Empty(Validate(CoreList.Format(usable), usable.Length));
        ValidationResult fault = Assert.Single(Validate(CoreList.Format(usable), usable.Length + 1));
        Assert.Equal(["Cores", "Threads"], fault.MemberNames);
        Assert.Contains(
            $"cores, {usable.Length}, than there are threads, {usable.Length + 1}", fault.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_CoreThatTheProcessMayNotUse_IsNamed()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        Assert.SkipWhen(ThreadAffinity.Cores().Contains(8191), "This machine has all the cores that there can be.");

        ValidationResult fault = Assert.Single(Validate($"{ThreadAffinity.Cores()[0]},8191", 1));
        Assert.Equal(["Cores"], fault.MemberNames);
        Assert.Contains("may not run on: 8191;", fault.ErrorMessage, StringComparison.Ordinal);
    }

    private static IEnumerable<ValidationResult> Validate(string? cores, int threads) =>
        CoreList.Validate(cores, threads, "Cores", "Threads");
}
