using Llama.Grains.Settings;
using Llama.Tests;

namespace Llama.Grains.Tests.Settings;

public sealed class DirectoryLoginTests
{
    [Fact]
    public void Load_File_GivesUserAndPassword()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(new DirectoryLogin("root", "pass:word"), DirectoryLogin.Load(folder.Write("login", " root:pass:word\n")));
    }

    [Theory]
    [InlineData("root")]
    [InlineData(":word")]
    [InlineData("")]
    public void Load_FileWithoutBoth_SaysWhatIsExpectedAndNotWhatItHolds(string content)
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("login", content);
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => DirectoryLogin.Load(file));
        Assert.Equal($"--directory-login-file: '{file}' holds no user and password; expected user:password", fault.Message);
    }

    [Fact]
    public void Load_NoFile_NamesIt()
    {
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => DirectoryLogin.Load("/nowhere/login"));
        Assert.StartsWith("--directory-login-file: '/nowhere/login' cannot be read: ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToString_Login_HidesThePassword() =>
        Assert.DoesNotContain("word", new DirectoryLogin("root", "word").ToString(), StringComparison.Ordinal);
}
