/***
* Hand-made test circuit in the dialect of public libraries, distributed under The MIT License.
* Multiplies the high 2 bits of A by the high 3 bits of B, so that its operands cannot be exchanged unnoticed.
***/
// MAE% = 3.58 %
// MAE = 2345 
// WCE% = 15.38 %
// WCE = 10079 
// PDK45_PWR = 0.030 mW
// PDK45_AREA = 60.5 um2
// PDK45_DELAY = 0.41 ns

module mul8s_hand ( A, B, O );
  input [7:0] A;
  input [7:0] B;
  output [15:0] O;

  wire [20:0] N;
  wire S_1,S_2,S_3,C_1,C_2;

  assign O = {~C_3, S_3, S_2b, S_1, (A[6] & B[5]), 1'b0,1'b0,1'b0, 8'h00};  // C_3 and S_2b are driven below
  wire C_3, C_2b, S_2b;
  PDKGENFAX1 U1 (.A((A[6] & B[6])), .B(~(A[7] & B[5])), .C(1'b1), .YS(S_1), .YC(C_1));
  assign N[0] = A[7];
  assign N[20] = N[0] & B[6];
  PDKGENFAX1 U2 (.A(~N[20]), .B(~(A[6] & B[7])), .C(1'b1), .YS(S_2), .YC(C_2));
  PDKGENHAX1 U3 (.A(S_2), .B(C_1), .YS(S_2b), .YC(C_2b));
  PDKGENFAX1 U4 (.A(A[7] & B[7]), .B(C_2), .C(C_2b), .YS(S_3), .YC(C_3));
endmodule

/* mod */
module PDKGENHAX1( input A, input B, output YS, output YC );
    assign YS = A ^ B;
    assign YC = A & B;
endmodule
/* mod */
module PDKGENFAX1( input A, input B, input C, output YS, output YC );
    assign YS = (A ^ B) ^ C;
    assign YC = (A & B) | (B & C) | (A & C);
endmodule
