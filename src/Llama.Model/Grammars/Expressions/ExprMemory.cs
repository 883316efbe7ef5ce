namespace Llama.Model.Grammars.Expressions;

/// <summary>Counts the expressions of all grammars of a process that are in use, so that many large ones cannot exhaust it.</summary>
internal sealed class ExprMemory
{
    /// <summary>What is counted at a time.</summary>
    public const int Portion = 1024;

    private long taken;

    /// <summary>Takes a portion.</summary>
    /// <exception cref="GrammarException">There is none left.</exception>
    public void Take()
    {
        if (Interlocked.Add(ref taken, Portion) <= GrammarLimits.AllExpressions) return;
        Give(1);
        throw new GrammarException("The grammars that are in use take all the memory that grammars may have; try again later.", isTemporary: true);
    }

    /// <summary>Gives portions back.</summary>
    public void Give(int portions) => Interlocked.Add(ref taken, -(long)portions * Portion);
}
