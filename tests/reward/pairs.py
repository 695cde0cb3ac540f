r"""Reference answers and predictions as a careful human grades them, one pair a line."""

SAME = r"""
x^2+y^2=1 | x^2 + y^2 - 1 = 0
2^3\cdot3^2 | 2^3 \times 3^2
e^{x^2} | e^{x^{2}}
e^{x^2}y^2 | y^{2}e^{x^2}
30^\circ, 60^\circ | 60^\circ, 30^\circ
30^\circ, 60^\circ | 30, 60
(n-1)! | (n-1)!
(2n)! | (2n)!
\frac{(2n)!}{n!} | \frac{(2n)!}{(n)!}
\binom{n}{2} | \frac{n(n-1)}{2}
5! | 120
2^{3^4} | 2^{81}
2^{2^3} | 256
a^{b^c} | a^{b^{c}}
n \equiv 1 \pmod 4 | n \equiv 5 \pmod{4}
n\equiv 1 \pmod{4} | 1 \pmod 4
1-\frac{1}{e} | 1 - e^{-1}
1-\frac1{\mathrm e} | 1-\frac{1}{e}
I=\frac{V}{R} | V = IR
I=V/R | I = \frac{V}{R}
F=ma | F = am
y=2x+3 | 2x+3
y=2x+3 | y = 3 + 2x
y=2x+3 | 2x - y + 3 = 0
x=5 | 5
5 | x=5
x=\pm 2 | 2, -2
x=\pm 2 | x = 2 \text{ or } x = -2
x = 2 \text{ or } x = -2 | \pm 2
1.6\times10^{-19} | 1.60 \times 10^{-19}
1.6\times10^{-19} | 1.6e-19
3.0\times10^8 | 300000000
0.333333 | \frac13
\phi | \varphi
\frac{R}{r} | R/r
4210_5 | 4210_{5}
4210_5 | 4210
A2_{16} | A2_{16}
10\text{ km} | 10
10\text{ km} | 10\ \mathrm{km}
10\text{ km} | 10\text{ kilometers}
10 | 10\text{ km}
3:30 \text{ p.m.} | 3:30 PM
3:30 \text{ p.m.} | 3:30 \text{ pm}
15\text{ cm}^2 | 15 \text{ cm}^{2}
15\text{ cm}^2 | 15 \text{ square centimeters}
5\text{ m/s} | 5 \text{ m/s}
\$5 | 5
\$5 | 5\text{ dollars}
\$5.50 | 5.5
12\text{ apples} | 12
1 000 | 1000
1,000 | 1000
10 | \sqrt{100}
100 | 10²
\sqrt{12} | √12
\sqrt{12} | 2√3
\frac52 | 2½
-5 | –5
12 | \textcolor{red}{12}
12 | \boldsymbol{12}
12 | 12^{\text{th}}
12 | 12th
32 | €32
12 | **12**
\sqrt{3} | sqrt(3)
\frac{\sqrt3}{2} | sqrt(3)/2
\frac{\pi}{3} | pi/3
\frac13 | 0.\overline{3}
\frac16 | 0.1\overline{6}
4.5 \times 10^{33} | 4.5e33
x \in [-2,7] | -2 \le x \le 7
x \in [-2,7] | [-2,7]
[-2,7] | x \ge -2 \text{ and } x \le 7
(-\infty,2)\cup(3,\infty) | (3,\infty) \cup (-\infty,2)
(-\infty,2)\cup(3,\infty) | x<2 \text{ or } x>3
(-\infty,2)\cup(3,\infty) | x<2, x>3
(-\infty,2)\cup(3,\infty) | x \in (-\infty,2)\cup(3,\infty)
(2,\infty) | x > 2
\mathbb{R} | (-\infty,\infty)
\mathbb{R}\setminus\{1\} | x \neq 1
(1,2) | 1,2
\{1,2,3\} | 3,2,1
\{1,2,3\} | \{3,1,2\}
1,-2 | -2, 1
1,-2 | -2 \text{ and } 1
x^5 - x^4 + x^3 - x^2 + x - 1 | x^5-x^4+x^3+x-1-x^2
(a+5)(b+2) | ab+2a+5b+10
(a+5)(b+2) | (b+2)(a+5)
6-5i | -5i+6
\frac{1}{2}\ln 2 | \ln\sqrt{2}
2\sin x\cos x | \sin 2x
\cot x | \frac{1}{\tan x}
\sqrt{x^2} | |x|
\ln x + C | \ln x + C
\ln x + C | C+\ln x
\begin{pmatrix} 1 \\ 2 \end{pmatrix} | \begin{bmatrix} 1 \\ 2 \end{bmatrix}
\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix} | \begin{pmatrix} -\frac{1}{3} \\ \frac{2}{3} \end{pmatrix}
\text{Evelyn} | Evelyn
\text{Evelyn} | evelyn
\text{Yes} | yes
\text{No} | no
\emptyset | \{\}
\emptyset | \text{no solutions}
50\% | 0.5
50\% | 50
50\% | \frac12
12.5 | 12.5\%
90^\circ | \frac{\pi}{2}
90^\circ | 90
90^\circ | 90 \text{ degrees}
1:2 | 1:2
1:2:3 | 1:2:3
1:2:3 | 1 : 2 : 3
0.5 | \frac12
.5 | 0.50
2(3) | 6
6 | 2(3)
\frac{1}{2}(3) | 1.5
2\frac12 | 2.5
\frac{1}{x+1} | (x+1)^{-1}
x^{10} | x^10
2^{10} | 1024
1024 | 2^10
\sqrt[3]{2} | 2^{1/3}
a_1+a_2 | a_2+a_1
f(x)=2x | 2x
\frac{n(n+1)}{2} | \frac{n^2+n}{2}
x=1,y=2 | y=2, x=1
x=1,y=2 | (1,2)
(1,2) | x=1, y=2
(x,y)=(1,2) | (1,2)
(1,2) | (x,y) = (1,2)
-\frac{1}{2} | \frac{-1}{2}
-\frac{1}{2} | -0.5
10^{-7} | 1e-7
\infty | infinity
\sqrt{1/n} | \frac{1}{\sqrt{n}}
\frac{1}{2^{99}} | 2^{-99}
7 | 7.0
\text{(C)} | C
1\frac{4}{5} | \frac{9}{5}
1\frac{4}{5} | 1.8
\cos(207^\circ) | -\cos(27^\circ)
\sin 30^\circ | \frac12
5x-7y+11z+4=0 | 5x - 7y + 11z = -4
5x-7y+11z+4=0 | -5x + 7y - 11z - 4 = 0
x+y<2 | y+x<2
x+y<2 | 2 > x+y
a<b<c | a<b<c
11\sqrt5+11 | 11(1+\sqrt{5})
\frac{20000}{\pi} | 20000/\pi
p - q | -q+p
\frac{11+9a}{20} | \frac{9a+11}{20}
\{1\pm\sqrt{5},-2\} | \{-2, 1+\sqrt5, 1-\sqrt5\}
3 \pm 2\sqrt{2} | 3+2\sqrt2, 3-2\sqrt2
58,500 | 58500
10,\!080 | 10,080
[0,1) | 0 \le x < 1
42 | \text{42}
42 | 42.
42 | 42\,\text{units}
42 | \approx 42
42 | = 42
\frac{x^3}{3}+C | \frac{1}{3}x^3 + C
Paris | paris
New York | new york
\text{Alice, Bob} | \text{Alice and Bob}
\text{Alice, Bob} | \text{Bob, Alice}
2\text{ hours }30\text{ minutes} | 2\text{ hours }30\text{ minutes}
100\text{ square units} | 100
864 \mbox{ inches}^2 | 864
864 \mbox{ inches}^2 | 864 \text{ in}^2
864 \mbox{ inches}^2 | 864 \text{ square inches}
5.4 \text{ cents} | 5.4
\frac{270}7\text{ degrees} | \frac{270}{7}
\frac{270}7\text{ degrees} | \frac{270}{7}^\circ
C_1 e^{x}+C_2 e^{-x} | C_1e^x+C_2e^{-x}
e^{i\pi/3} | \frac12+\frac{\sqrt3}{2}i
\log_2 3 | \frac{\ln 3}{\ln 2}
\sum_{k=1}^n k | \frac{n(n+1)}{2}
x^2 | x**2
x^2 | x^2.
\overline{AB} | AB
ABC | ABC
\text{A} | A
2x | 2\cdot x
2x | x2
\mathbf{v} | v
\mathbf{i}+2\mathbf{j} | 2\mathbf{j}+\mathbf{i}
\langle 1,2,3\rangle | (1,2,3)
1, 2, \ldots, n | 1,2,\dots,n
2k\pi | 2\pi k
2k\pi, k\in\mathbb{Z} | 2k\pi, k \in \mathbb{Z}
\frac{\pi}{4}+k\pi | k\pi+\frac{\pi}{4}
137 \frac{1}{2} | 137.5
11111111100 | 11,\! 111,\! 111,\! 100
x<1 \text{ or } x>2 | x>2 \text{ or } x<1
-1<x<1 | |x|<1
a=2, b=(1,2) | b=(1,2), a=2
\frac{\sqrt{2}}{2} | \frac{1}{\sqrt{2}}
0 | -0
\mathrm{i} | i
k = 45, n = 2 | n = 2, k = 45
x^2+y^2+z^2=1 | z^2+y^2+x^2=1
2^3 \cdot 3 \cdot 5^2 | 600
2^{10}\cdot 3^{5} | 2^{10} \times 3^5
x^{2^{n}} | x^{2^n}
2^{2^{5}}+1 | 4294967297
e^{e^{x}} | e^{e^x}
2^{n!} | 2^{n!}
n!(n+1)! | (n+1)!n!
(2n-1)!! | (2n-1)!!
\frac{8!}{3!5!} | 56
(x+1)(x+2) | x^2+3x+2
\tan^2 x | \sec^2 x - 1
\sin^2 x | 1-\cos^2 x
\sin^{-1} x | \arcsin x
\log_{10} 2 | \log 2
\ln(2) | \log_e 2
\frac{\ln 2}{2} | 0.5\ln 2
\frac{\ln 2}{2} | 0.346574
\sqrt{2}+\sqrt{3} | \sqrt{3}+\sqrt{2}
\sqrt{2}+\sqrt{3} | \sqrt{5+2\sqrt{6}}
3+4i | 4i+3
3+4i | 3 + 4\mathrm{i}
-1 | i^2
\frac{1}{1+i} | \frac{1-i}{2}
a+bi | a+ib
5\text{ cm} | 5 cm
5\text{ cm} | 5cm
20 \text{ m/s}^2 | 20 \text{ m/s}^2
9.8\text{ m/s}^2 | 9.8
100^\circ\text{C} | 100
25\% | 25 percent
25\% | \frac{1}{4}
25\% | 25\text{ percent}
3:00 | 3:00
[1,3] | 1 \leq x \leq 3
(1,3) | 1<x<3
x \ge 3 | [3, \infty)
x \ge 3 | x \geq 3
x \ge 3 | 3 \le x
x > 3 | x \in (3,\infty)
x\le -1 \text{ or } x \ge 1 | |x| \ge 1
(-\infty,-1]\cup[1,\infty) | x\le -1, x \ge 1
(-\infty,1)\cup(1,\infty) | x \ne 1
(-\infty,1)\cup(1,\infty) | \mathbb{R} \setminus \{1\}
(-\infty,1)\cup(1,\infty) | \{x \in \mathbb{R} \mid x \neq 1\}
\{x : x > 2\} | (2,\infty)
[0,1]\cup\{2\} | \{2\} \cup [0,1]
\{1\} | 1
0, 1 | x=0, x=1
0, 1 | x = 0 \text{ and } x = 1
x=1,2 | 1, 2
x=1 \text{ or } x=2 | \{1,2\}
(1,2),(3,4) | (3,4),(1,2)
(1,2),(3,4) | (1,2) \text{ and } (3,4)
(1,2),(3,4) | \{(1,2),(3,4)\}
(a,b)=(1,2) | a=1,b=2
a=1, b=2 | (a,b) = (1,2)
(1,2,3) | 1,2,3
\left(\frac12,\frac13\right) | (0.5, \frac{1}{3})
y = \frac{1}{2}x+1 | 2y = x+2
y = \frac{1}{2}x+1 | y = 0.5x + 1
y=x^2 | x^2
x+y=3 | 3=x+y
x+y=3 | 2x+2y=6
x^2=-4 | x^2+4=0
x=2 | 2x=4
PV=nRT | P=\frac{nRT}{V}
A=\pi r^2 | \pi r^2
S_n=\frac{n(n+1)}{2} | \frac{n(n+1)}{2}
a_n = 2n+1 | a_n = 1+2n
a_n = 2n+1 | 2n+1
f(x)=x^2+1 | f(x) = 1 + x^2
f(x)=x^2+1 | x^2+1
f'(x)=2x | 2x
f^{-1}(x) = \frac{x-1}{2} | \frac{x-1}{2}
n \equiv 2 \pmod{3} | n \equiv -1 \pmod{3}
x \equiv 3 \pmod 7 | x \equiv 10 \pmod 7
3.0 \times 10^{8} \text{ m/s} | 3 \times 10^8
6.02 \times 10^{23} | 6.02 \cdot 10^{23}
6.02 \times 10^{23} | 602000000000000000000000
1.0e-5 | 0.00001
1.0e-5 | 10^{-5}
2.50 | 2.5
\frac{22}{7} | 3.142857
\pi | 3.141593
7/3 | 2\frac{1}{3}
7/3 | 2.333333
-\frac{7}{3} | -7/3
-\frac{7}{3} | -2\frac13
1/2 | \frac{1}{2}
\frac{x}{y} | x/y
\frac{x+1}{2} | (x+1)/2
x^{-1} | 1/x
x^{1/2} | \sqrt{x}
x^{\frac{3}{2}} | x\sqrt{x}
\sqrt[4]{16} | 2
|{-5}| | 5
\left|x-1\right| | |1-x|
\lceil 2.3 \rceil | 3
\max(3,5) | 5
\gcd(12,18) | 6
\binom{5}{2} | 10
\binom52 | 10
{5 \choose 2} | 10
\dbinom{n}{k} | \binom{n}{k}
\begin{pmatrix}1&0\\0&1\end{pmatrix} | \begin{bmatrix}1&0\\0&1\end{bmatrix}
\left[\begin{array}{cc}1&2\\3&4\end{array}\right] | \begin{bmatrix}1&2\\3&4\end{bmatrix}
\begin{cases} x=1\\ y=2\end{cases} | x=1, y=2
\overrightarrow{AB} | \overrightarrow{AB}
\angle ABC | \angle ABC
60^\circ | 60
60^\circ | \frac{\pi}{3}
60^\circ | 60°
60^\circ | 60 \text{ deg}
\text{blue} | blue
\text{True} | true
\text{Monday} | monday
\text{Monday} | \textbf{Monday}
\text{Infinitely many} | infinitely many
\text{no} | \text{No}
\text{None} | \text{none}
\text{rectangle} | Rectangle.
18 \text{ students} | 18
18 \text{ students} | 18 students
\$32,348 | 32348
\$32,348 | \$32,348.00
\text{\$}5 | 5
5\text{ dollars} | \$5
1,234,567 | 1234567
1{,}234{,}567 | 1,234,567
1\,234\,567 | 1234567
1 234 567 | 1234567
0.1\overline{6} | \frac{1}{6}
0.\overline{142857} | \frac17
0.\dot{3} | \frac13
0.(3) | \frac13
0.333\ldots | \frac13
10_2 | 10_{2}
10_2 | 10_{\text{two}}
1A_{16} | 1a_{16}
2_7 | 2
101_2 | 101
\alpha | α
\varepsilon | \epsilon
V_{max} | V_{\max}
\theta=30^\circ | 30^\circ
30^\circ \text{ or } 150^\circ | 30^\circ, 150^\circ
\pm 3 | 3, -3
\pm 3 | -3, 3
\pm\sqrt{2} | \sqrt2, -\sqrt2
1\pm i | 1+i, 1-i
\frac{-1\pm\sqrt{3}}{2} | \frac{-1+\sqrt{3}}{2}, \frac{-1-\sqrt{3}}{2}
2\pi | 6.283185
2\pi r | 2 r \pi
\frac{4}{3}\pi r^3 | \frac{4\pi r^3}{3}
e | 2.718282
e^2 | e^{2}
e^{2x} | (e^x)^2
2^x | e^{x\ln 2}
\int_0^1 x\,dx | \frac12
\sum_{i=1}^{10} i | 55
\prod_{i=1}^{4} i | 24
\lim_{x\to 0}\frac{\sin x}{x} | 1
5 | \frac{10}{2}
5 | |{-5}|
5 | 5^1
5 | 05
5 | (5)
5 | [5]
5 | \{5\}
5 | 5_{10}
5 | 2+3=5
5 | 5=2+3
5 | a=b=5
5 | n = 5 \text{ apples}
5 | \text{The answer is } 5
5 | \text{Answer: } 5
5 | 1+1+1+1+1
1234 | 1,234
"""

DIFFERENT = r"""
x^2+y^2=1 | x^2+y^2=2
x^2+y^2=1 | x^2-y^2=1
2^3\cdot3^2 | 2^2\cdot 3^3
e^{-x^2} | e^{x^2}
30^\circ, 60^\circ | 30^\circ, 61^\circ
(n-1)! | n!
(n-1)! | (n+1)!
\binom{n}{2} | \frac{n(n+1)}{2}
n \equiv 1 \pmod 4 | n \equiv 3 \pmod 4
n \equiv 1 \pmod 4 | n \equiv 1 \pmod 5
F=ma | F = mv
E=mc^2 | E = mc^3
y=2x+3 | y=2x-3
x = 5 | y = 5
\pm 2 | 2
x^2=4 | x^2 = 9
1.6\times10^{-19} | 1.7e-19
3.0\times10^8 | 3\times10^9
\frac13 | 0.333
\phi | \Phi
\pi R^2 | \pi r^2
R/r | r/R
AB | ab
4210_5 | 4210_7
1011_2 | 11
10\text{ km} | 10\text{ m}
3\text{ a.m.} | 3\text{ p.m.}
5:00 \text{ p.m.} | 6:00 \text{ p.m.}
15\text{ cm}^2 | 15\text{ cm}^3
15\text{ cm}^2 | 15\text{ m}^2
60\text{ mph} | 60 \text{ miles per hour}
5\text{ m/s} | 5\text{ km/h}
\$5 | €5
12\text{ apples} | 12 \text{ oranges}
10 11 | 1011
1011 | 10 11
5 | –5
12 | \mathbf{13}
\frac13 | 0.\overline{4}
4.5 \times 10^{33} | 4.5e34
x \in [-2,7] | -2 < x \le 7
x \in [-2,7] | (-2,7)
(-\infty,2)\cup(3,\infty) | (-\infty,2]\cup(3,\infty)
(2,\infty) | x \ge 2
(2,\infty) | x < 2
\mathbb{R}\setminus\{1\} | x \neq 2
(1,2) | (2,1)
(1,2) | [1,2]
\{1,2,3\} | \{1,2,4\}
1,-2 | 1
1,-2 | 1, 2
(a+5)(b+2) | (a+5)(b-2)
6-5i | 6+5i
6-5i | (6, -5)
\sin x | \cos x
\tan x | \cot x
|x| | x
\sqrt{x^2} | x
\ln x | \log x
\begin{pmatrix} 1 \\ 2 \end{pmatrix} | \begin{pmatrix} 1 \\ 3 \end{pmatrix}
\begin{pmatrix} 1 \\ 2 \end{pmatrix} | \begin{pmatrix} 1 & 2 \end{pmatrix}
\text{Evelyn} | \text{Carla}
\text{east} | seat
\text{even} | \text{odd}
\text{Yes} | No
\emptyset | 0
50\% | 5
90^\circ | 80^\circ
1:2 | 2:1
1:2:3 | 1:3:2
5 | 2(3)
\frac{1}{x+1} | \frac{1}{x-1}
\sqrt[3]{2} | \sqrt{2}
a_1 | a_2
f(x)=2x | f(x)=3x
n^2 | n^3
3R^2 | 3r^2
x=1,y=2 | x=2, y=1
(1,2) | (x,y) = (2,1)
\frac{1}{2} | -\frac12
\infty | -\infty
\frac{1}{2^{99}} | \frac{1}{2^{98}}
7 | 7.1
1\frac{4}{5} | \frac{4}{5}
x \neq 1 | x \ne 2
5x-7y+11z+4=0 | 5x - 7y + 11z = 4
x+y<2 | x+y>2
p-q | q-p
42 | 42!
42 | 4 2
42 | 24
12 | 12, 12
3 | 3 \text{ or } 4
3 | 3 + C
\frac{x^3}{3}+C | \frac{1}{3}x^3
x | y
\text{undefined} | \text{does not exist}
\text{Alice} | \text{Alice and Bob}
2\text{ hours }30\text{ minutes} | 2\text{ hours }40\text{ minutes}
e^{i\pi/3} | \frac12-\frac{\sqrt3}{2}i
\log_2 3 | \log_3 2
\lfloor x \rfloor | \lceil x \rceil
\lfloor x \rfloor | x
\angle A | \angle B
\triangle ABC | \triangle ABD
ABC | ACB
17 | seventeen
f(x) = x^2 | y = x^2
\frac{dy}{dx} | y'
\frac{a}{b} | \frac{b}{a}
\vec{v} | v
\mathbf{i}+2\mathbf{j} | \mathbf{i}-2\mathbf{j}
\langle 1,2,3\rangle | (1,3,2)
1, 2, \ldots, n | 1,2,\dots,m
x<1 \text{ or } x>2 | x<1 \text{ or } x>3
\frac{\sqrt{2}}{2} | \frac{\sqrt{3}}{2}
0 | \emptyset
N | n
k = 45, n = 2 | n = 45, k = 2
x^{2^{n}} | x^{2n}
(x+1)(x+2) | x^2+3x-2
\sin^2 x | \sin x^2
\ln 2 | \ln 3
\sqrt{2}+\sqrt{3} | \sqrt{5}
3+4i | 3+4j
(3,4) | 3+4i
5\text{ cm} | 50\text{ mm}
9.8\text{ m/s}^2 | 9.8\text{ m/s}
100^\circ\text{C} | 100^\circ\text{F}
[1,3] | 1 \leq x < 3
[1,3] | 1,3
(1,3) | (1,3]
x \ge 3 | x > 3
x \ge 3 | x \le 3
(-\infty,-1]\cup[1,\infty) | (-\infty,-1) \cup (1,\infty)
\{0,1\} | \{0,1,2\}
x=1 \text{ or } x=2 | x=1
(1,2),(3,4) | (1,3),(2,4)
a=1, b=2 | a=1
(1,2,3) | (1,2)
y=x^2 | x = y^2
x+y=3 | x+y=4
x^2=-4 | x^2=-9
PV=nRT | PV = nR/T
A=\pi r^2 | A = \pi d^2/4
a_n = 2n+1 | a_n = 2n-1
\frac{\pi}{4}+k\pi, k \in \mathbb{Z} | \frac{\pi}{4}+k\pi
x \equiv 3 \pmod 7 | 3
6.02 \times 10^{23} | 6.02 \cdot 10^{22}
0.00001 | 0.00002
123456789 | 123456788
1000000.1 | 1000000.2
2.5 | 2.55
\pi | 3.14
\pi | \frac{22}{7}
7/3 | 2.33
7/3 | -\frac{7}{3}
\frac{x+1}{2} | x+1/2
\begin{pmatrix}1&0\\0&1\end{pmatrix} | \begin{pmatrix}1&0\\0&-1\end{pmatrix}
\begin{pmatrix}1\\2\end{pmatrix} | (1,2)
\text{blue} | red
\text{blue} | \text{not blue}
\text{True} | False
\text{Monday} | \text{Tuesday}
\text{parabola} | \text{a parabola}
\text{Tuesday} | \text{day Tuesday}
\text{odd} | \text{even}
\text{increasing} | \text{decreasing}
18 \text{ students} | 17 students
12,34 | 1234
(1,000) | 1000
1 2 3 | 123
100 200 | 100, 200
10_2 | 2
10_2 | 10_3
101_2 | 5
a_5 | a_7
x_1 | x_2
\alpha | \beta
\Omega | \omega
\sigma | \Sigma
n | N
mg | Mg
kT | KT
v | V
P(A) | p(A)
\theta = 30^\circ | \theta = 60^\circ
30^\circ \text{ or } 150^\circ | 30^\circ
\pm 3 | 3
2\pi | 6.28
2\pi r | 2\pi r^2
e^2 | e^{-2}
x^3+C | x^3 + c
x^3+C | x^3+K
5 | 5, \text{ but maybe } 6
5 | 5?
5 | \text{about } 5
5 | \text{at least } 5
5 | >5
5 | \ge 5
5 | \neq 5
5 | -5
5 | 5i
5 | 5x
5 | 5^2
5 | 5.0000001
5 | five
5 | V
5 | 5,5
5 | 5_8
5 | 5 \pmod 7
5 | x^2=5
5 | x=5, y=5
5 | x \to 5
5 | 5\ldots
5 | 5'
5 | 5!
5 | \sqrt{5}
5 | \sin 5
5 | \overline{5}
1234 | 12 34
1234 | 1.234
1.5 | 1,5
"""


def pairs(text: str) -> list[tuple[str, str]]:
    """(reference, prediction) of each line."""
    return [tuple(line.split(" | ", 1)) for line in text.strip().splitlines()]  # type: ignore[misc]
